"""The plugins `secretion`, `exposure` and `contact`: what cells release, take up and notice."""

from twin_signalling.contact import ContactSignal
from twin_signalling.exposure import Exposure
from twin_signalling.secretion import Secretion

__all__ = ["ContactSignal", "Exposure", "Secretion"]
