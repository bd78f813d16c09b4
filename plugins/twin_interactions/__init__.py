"""What cells that touch do to each other: attack, eat, fuse, hold on; and what they turn into."""

from twin_interactions.process import Interactions

__all__ = ["Interactions"]
