"""SBML models: read, checked, compiled and integrated; libRoadRunner is the extra `[sbml]`."""

from twin.interop.sbml.document import Quantity
from twin.interop.sbml.model import Model, load_model

__all__ = ["Model", "Quantity", "load_model"]
