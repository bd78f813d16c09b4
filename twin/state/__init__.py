"""What exists at one instant of a trajectory: the Body, its compartments, cells, counts and fields."""
