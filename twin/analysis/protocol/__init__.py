"""The evaluation protocol: splits of measured data, baselines on the same splits, scores, and one table of all."""
