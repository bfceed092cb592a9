"""Training: the loop over mini-batches and everything that it calls."""
