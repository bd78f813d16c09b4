"""A measured snapshot held against the twin, and the twin corrected by it: discrepancy, transport, weights, update."""
