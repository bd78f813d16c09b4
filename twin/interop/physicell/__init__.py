"""PhysiCell projects: settings XML, rules and cells become a scenario, with an account of what came along."""

from twin.interop.imported import Imported
from twin.interop.physicell.project import import_project

__all__ = ["Imported", "import_project"]
