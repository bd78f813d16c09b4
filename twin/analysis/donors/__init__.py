"""How much donors differ: measured, calibrated, and held to donors that were left out."""
