"""Scores of predicted and generated cells, each with its formula and source, in agreement with independent scorers."""
