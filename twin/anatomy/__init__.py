"""From a builder's document to a tissue: who stands where, and in which niche of which organoid."""
