"""The page of `twin serve`: ask a virtual cell or tissue a question and see the answer move."""
