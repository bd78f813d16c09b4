"""The plugins `exchange` and `internalisation`: what cells swap with the fields around them, and what they keep."""

from twin_exchange.internalisation import Internalisation
from twin_exchange.process import Exchange

__all__ = ["Exchange", "Internalisation"]
