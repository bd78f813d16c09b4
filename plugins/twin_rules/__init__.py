"""Rules: signals raise and lower what cells do, in the words of PhysiCell's grammar, genes and programs among them."""

from twin_rules.process import Rules

__all__ = ["Rules"]
