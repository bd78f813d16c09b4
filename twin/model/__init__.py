"""The cell world model: tokens, network, sampling, the transition kernel, training and files."""
