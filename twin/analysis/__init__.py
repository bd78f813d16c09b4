"""From results and models to answers: scores, evaluation, summaries of a run."""
