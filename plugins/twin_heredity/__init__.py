"""What happens to a line of cells for good: mutation, senescence, ageing."""

from twin_heredity.process import Heredity

__all__ = ["Heredity"]
