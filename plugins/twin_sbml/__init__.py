"""Mechanistic cells: SBML models in the cells of a type, tied both ways to fields, doses, genes and behaviours."""

from twin_sbml.process import Sbml

__all__ = ["Sbml"]
