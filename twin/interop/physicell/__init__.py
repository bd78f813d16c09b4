"""PhysiCell projects: settings XML, rules and cells become a scenario, with an account of what came along."""

from twin.interop.physicell.project import Imported, import_project

__all__ = ["Imported", "import_project"]
