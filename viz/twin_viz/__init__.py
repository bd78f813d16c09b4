"""Pictures and plots of a run: PyVista in three dimensions, Matplotlib where there is no OpenGL."""
