"""The plugin `transport`: what flows between organs, and which cells travel."""

from twin_transport.process import Transport

__all__ = ["Transport"]
