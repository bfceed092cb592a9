"""Storage: files that appear whole or not at all, archives, and model files."""
