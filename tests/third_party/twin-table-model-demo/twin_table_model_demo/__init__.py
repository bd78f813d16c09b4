"""A stranger's world model: Poisson counts around a table of rates."""
