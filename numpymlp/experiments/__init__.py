"""Experiments: recipes, run folders, the ladder of results, search and reports."""
