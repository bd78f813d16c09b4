"""Measured data in: checked raw counts, their columns, gene axes, and constants of known agents."""
