"""Draw the small networks of the pages: every value, weight and gradient of one pass.

`numpymlp.explain.trace` computes the numbers, `plots.pass_through` draws them.
"""

import numpy as np

from numpymlp import Dense, MeanSquaredError, Network, ReLU, SoftmaxCrossEntropy, plots
from numpymlp.explain import trace

# The network that page 05 computes by hand: two inputs, three hidden neurons, two classes.
FIRST = [[0.5, -1.0, 1.0], [0.25, 0.5, -1.0]], [0.1, 0.2, 0.0]
SECOND = [[1.0, -1.0], [0.5, 1.0], [2.0, -1.0]], [0.0, 0.1]


def draw(parameters, x, y, title, loss=None, output="identity", lit=None, dpi=80):
    """Return the drawing of a network with ReLU between its layers, for the samples x and y.

    `parameters` is a list of pairs (W, b); `loss` is by default the squared error.
    """
    layers = []
    for W, _ in parameters:
        layers += [Dense(*np.shape(W)), ReLU()]
    network = Network(layers[:-1], output=output, dtype=np.float64)
    for layer, (W, b) in zip(network.layers[::2], parameters, strict=True):
        layer.W, layer.b = np.array(W), np.array(b)
    recorded = trace(network, loss or MeanSquaredError(), np.array(x), np.array(y))
    figure = plots.pass_through(recorded, title=title, lit=lit)
    figure.set_dpi(dpi)
    return figure


def you_are_here(topic, *lit):
    """Return the drawing of page 05's network; the columns that a page is about are coloured.

    The columns are 0 input, 1 first layer, 2 ReLU, 3 second layer, 4 softmax, 5 loss.
    """
    return draw(
        [FIRST, SECOND],
        [[1.0, 2.0]],
        [1],
        f"You are here: {topic}",
        SoftmaxCrossEntropy(),
        "softmax",
        lit or None,
        dpi=64,
    )
