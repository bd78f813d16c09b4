"""Pure functions on arrays: one mechanism a file. No I/O, no configuration, no printing."""
