"""A multi-layer perceptron in pure NumPy, to read, run and trust."""

__version__ = "0.1.0"
