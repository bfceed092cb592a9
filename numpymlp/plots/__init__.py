"""Plots of data, predictions, metrics, training, weights and two-dimensional toy problems.

Each function returns a `matplotlib.figure.Figure`, most of plain arrays:
`plots.confusion_matrix(matrix).savefig("confusion.png")`. Nothing is displayed, no global setting
is changed; `Live` alone, a callback, shows learning curves during training. Read `style` first,
the common colours and fonts, then `images`.
"""

from numpymlp.plots.benchmark import benchmark_times
from numpymlp.plots.classification import class_scores, confusion_matrix, reliability_diagram
from numpymlp.plots.diagnostics import training_diagnostics
from numpymlp.plots.distortions import distortions
from numpymlp.plots.explain import pass_through
from numpymlp.plots.films import animate
from numpymlp.plots.images import confused_pairs, mistakes, prediction_grid
from numpymlp.plots.landscape import (
    boundary_filmstrip,
    boundary_grid,
    decision_boundary,
    optimizer_paths,
)
from numpymlp.plots.live import Live
from numpymlp.plots.network import activations, first_layer_weights, weights_filmstrip
from numpymlp.plots.search import search_results
from numpymlp.plots.sheet import reading_sheet
from numpymlp.plots.training import learning_curves

__all__ = [
    "Live",
    "activations",
    "animate",
    "benchmark_times",
    "boundary_filmstrip",
    "boundary_grid",
    "class_scores",
    "confused_pairs",
    "confusion_matrix",
    "decision_boundary",
    "distortions",
    "first_layer_weights",
    "learning_curves",
    "mistakes",
    "optimizer_paths",
    "pass_through",
    "prediction_grid",
    "reading_sheet",
    "reliability_diagram",
    "search_results",
    "training_diagnostics",
    "weights_filmstrip",
]
