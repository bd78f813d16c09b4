"""Scenario files: the document (schema.py) and the way from a file to it (load.py)."""
