"""Published and analytic numbers that the physics is held to: what `twin verify` prints and the tests assert."""
