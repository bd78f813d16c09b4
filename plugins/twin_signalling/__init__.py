"""The plugins `secretion` and `exposure`: what cells release, take up and notice."""

from twin_signalling.exposure import Exposure
from twin_signalling.secretion import Secretion

__all__ = ["Exposure", "Secretion"]
