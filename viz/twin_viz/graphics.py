"""Which OpenGL this machine has, found out without dying of it.

VTK does not raise where the OpenGL libraries are missing: it ends the process with a segmentation
fault. So each way of drawing is tried in a child process first, which renders one green frame and
looks at it. The answer holds for this process and, by an environment variable, for its children.
"""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

VTK_WINDOW = "VTK_DEFAULT_OPENGL_WINDOW"  # VTK reads it when it makes its first window
SWITCH = "TWIN_GRAPHICS"  # the user's: "none" asks for plain pictures
ANSWER = "TWIN_GRAPHICS_PROBED"  # ours: "<host>:<backend>", so that children need not ask again
EGL, OSMESA = "vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow"
DEFAULT = "default"  # VTK's own choice: macOS, Windows, an X display
PATIENCE = 60.0  # s; our choice: a cold disk loads VTK in about ten
INSTALL = "apt-get install -y libegl1 libgl1 libosmesa6 libxrender1"

# What the child runs; it answers by its exit code, 0 only where the frame came out green.
PROBE = """
import sys
if sys.platform != "win32":
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is an answer, not a core file
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow, vtkWindowToImageFilter
window, renderer, image = vtkRenderWindow(), vtkRenderer(), vtkWindowToImageFilter()
window.SetOffScreenRendering(1)
window.SetMultiSamples(0)
window.SetSize(8, 8)
renderer.SetBackground(0.0, 1.0, 0.0)
window.AddRenderer(renderer)
window.Render()
image.SetInput(window)
image.Update()
pixel = [image.GetOutput().GetScalarComponentAsDouble(4, 4, 0, channel) for channel in range(3)]
sys.exit(0 if pixel == [0.0, 255.0, 0.0] else 3)
"""


@dataclass(frozen=True)
class Graphics:
    """How 3-D pictures can be drawn here.

    backend : VTK's render window, "default" for VTK's own choice, None where nothing works.
    advice : without a backend one sentence on what to do, else empty.
    """

    backend: str | None
    advice: str = ""


def probe(backend: str, program: str = PROBE) -> bool:
    """Try `backend` in a child process: True if it drew what it was asked to.

    A child that crashes, hangs or cannot be started is a False.
    """
    environment = dict(os.environ)
    environment.pop(VTK_WINDOW, None)
    if backend != DEFAULT:
        environment[VTK_WINDOW] = backend
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", program], env=environment, capture_output=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return child.returncode == 0


@cache
def graphics() -> Graphics:
    """Find a way to draw, once a process, and tell VTK about it.

    Tried in this order: the user's own VTK_DEFAULT_OPENGL_WINDOW, EGL, OSMesa, and VTK's own
    choice where there is a display. Sets VTK_DEFAULT_OPENGL_WINDOW, so call it before the first
    window is made; without a backend VTK must not draw at all.
    """
    if os.environ.get(SWITCH, "").lower() == "none":
        return Graphics(None, f"{SWITCH}=none asks for plain 2-D pictures; unset it to get 3-D ones")
    host, _, known = os.environ.get(ANSWER, "").partition(":")
    if known and host == socket.gethostname():
        found = None if known == "none" else known
    else:
        found = next((backend for backend in _candidates() if probe(backend)), None)
        os.environ[ANSWER] = f"{socket.gethostname()}:{found or 'none'}"
    if found is None:
        return Graphics(
            None, f"no OpenGL was found, so pictures are plain and 2-D; for 3-D ones (Debian, Ubuntu): {INSTALL}"
        )
    if found == DEFAULT:
        os.environ.pop(VTK_WINDOW, None)
    else:
        os.environ[VTK_WINDOW] = found
    return Graphics(found)


def _candidates() -> list[str]:
    own = os.environ.get(VTK_WINDOW, "")
    headless = [EGL, OSMESA] if sys.platform.startswith("linux") else []
    shown = [] if headless and not os.environ.get("DISPLAY") else [DEFAULT]
    return list(dict.fromkeys([*([own] if own else []), *headless, *shown]))
