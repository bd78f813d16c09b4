"""How big cells are: they grow and shrink towards their targets, swell, burst and dry up."""

from twin_volume.process import Volume

__all__ = ["Volume"]
