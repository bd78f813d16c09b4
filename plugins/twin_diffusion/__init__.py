"""The plugin `diffusion`: substances spread, decay and are taken up."""

from twin_diffusion.process import Diffusion

__all__ = ["Diffusion"]
