"""Shapes that tissues have, and cells put into them and onto their surfaces."""
