"""The commands of `numpymlp`, one module each."""
