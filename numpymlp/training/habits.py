"""Help for habits from Keras, PyTorch and scikit-learn: the name that an argument has here.

`numpymlp` applies `explain_keywords` to its public classes and functions when they are first used.
An unknown keyword is still an error, but its message gives the name that was likely meant, from a
table or by similar spelling. Correct calls are passed on unchanged.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from numpymlp.validation import InputError

_RNG = "rng=np.random.default_rng(seed)"
_DECAY = "AdamW(weight_decay=...), or Trainer(..., penalty=L2Penalty(...))"
_FIT = "fit(x, y, epochs=...)"
# What a keyword of other libraries is called here. The first entry of a name that the call accepts
# wins, so a seed is `rng` for a network and `seed` for a Trainer.
MEANT = {
    "lr": ("learning_rate",),
    "learning_rate_init": ("learning_rate",),
    "eps": ("epsilon",),
    "betas": ("beta1", "beta2"),
    "beta_1": ("beta1",),
    "beta_2": ("beta2",),
    "seed": ("seed", "rng"),
    "random_state": ("seed", "rng"),
    "generator": ("seed", "rng"),
    "validation_data": ("validation",),
    "validation_split": ("validation",),
    "validation_fraction": ("validation",),
    "max_iter": ("epochs",),
    "n_epochs": ("epochs",),
    "num_epochs": ("epochs",),
    "nb_epoch": ("epochs",),
    "criterion": ("loss",),
    "loss_fn": ("loss",),
    "model": ("network",),
    "scheduler": ("schedule",),
    "lr_scheduler": ("schedule",),
    "learning_rate_schedule": ("schedule",),
    "hidden_layer_sizes": ("sizes",),
    "units": ("outputs",),
    "in_features": ("inputs",),
    "input_dim": ("inputs",),
    "out_features": ("outputs",),
    "in_channels": ("channels",),
    "out_channels": ("filters",),
    "kernel_size": ("size",),
    "pool_size": ("size",),
    "strides": ("stride",),
    "num_features": ("features",),
    "kernel_initializer": ("initializer",),
    "p": ("rate", "dropout"),
    "negative_slope": ("slope",),
    "alpha": ("slope", "rho"),
    "from_logits": (),
}
# Examples of the names above whose values have another form here.
FORM = {
    "rng": _RNG,
    "validation": "validation=(x, y), or validation=0.1 for a tenth of the samples",
    "sizes": "sizes=[inputs, hidden, ..., outputs]",
    "epochs": "epochs",
}
# Arguments of other libraries that another call takes here.
ELSEWHERE = {
    "batch_size": "Trainer(..., batch_size=...)",
    "callbacks": "Trainer(..., callbacks=[...])",
    "verbose": "Trainer(..., verbose=...)",
    "early_stopping": "Trainer(..., early_stopping=EarlyStopping(...))",
    "shuffle": "Trainer(..., order=...); the default is a new random order in each epoch",
    "epochs": _FIT,
    "max_iter": _FIT,
    "n_epochs": _FIT,
    "num_epochs": _FIT,
    "validation": "fit(x, y, epochs=..., validation=0.1)",
    "validation_data": "fit(x, y, epochs=..., validation=(x, y))",
    "validation_split": "fit(x, y, epochs=..., validation=0.1)",
    "validation_fraction": "fit(x, y, epochs=..., validation=0.1)",
    "weight_decay": _DECAY,
    "alpha": "Trainer(..., penalty=L2Penalty(...))",
    "metrics": "evaluate(network, loss, x, y), which returns loss and accuracy",
    "loss": "Trainer(network, loss, optimizer)",
    "optimizer": "Trainer(network, loss, optimizer)",
    "learning_rate": "an optimizer, Adam(learning_rate=...)",
    "lr": "an optimizer, Adam(learning_rate=...)",
    "activation": "a layer of its own after it, such as ReLU()",
    "input_shape": "the first argument of the first layer, Dense(784, 128)",
    "from_logits": "no argument: losses always take logits",
    "axis": "no argument: features are the last axis",
    "bias": "no argument: every Dense layer has one",
    "use_bias": "no argument: every Dense layer has one",
}
# Methods of other libraries, by class.
METHODS = {
    "Network": {
        "compile": "Trainer(network, loss, optimizer)",
        "fit": "Trainer(network, loss, optimizer).fit(x, y, epochs=...)",
        "evaluate": "evaluate(network, loss, x, y)",
        "score": "evaluate(network, loss, x, y).accuracy",
        "save": "save(network, path)",
        "state_dict": "save(network, path), or network.parameters",
        "train": "network.forward(x, training=True)",
        "eval": "network.forward(x)",
        "zero_grad": "not needed, backward writes new gradients each time",
        "add": "Network([layer, layer, ...])",
        "weights": "network.parameters",
        "get_weights": "network.parameters",
        "count_params": "network.parameters.size",
    },
    "Optimizer": {
        "zero_grad": "not needed, backward writes new gradients each time",
        "param_groups": "optimizer.learning_rate",
        "apply_gradients": "optimizer.step(network.parameters, network.gradients)",
        "minimize": "optimizer.step(network.parameters, network.gradients)",
    },
    "Trainer": {
        "compile": "Trainer(network, loss, optimizer)",
        "train": "fit(x, y, epochs=...)",
        "score": "evaluate(x, y).accuracy",
        "save": "save(trainer.network, path, trainer.loss)",
    },
}


class UnknownKeywordError(InputError, TypeError):
    """A keyword that a call does not take; the message says what it is called here."""


def explain_keywords(value: Any) -> Any:
    """Let a public class or function explain the keywords that it does not know.

    A class is changed in place, with its `fit` if it has one; of a function a wrapper is returned.
    """
    if not isinstance(value, type):
        return _explained(value, value.__name__)
    kind: Any = value
    owner = vars(kind)
    if "__init__" in owner and not hasattr(owner["__init__"], "__wrapped__"):
        kind.__init__ = _explained(owner["__init__"], kind.__name__)
    if "fit" in owner and not hasattr(owner["fit"], "__wrapped__"):
        kind.fit = _explained(owner["fit"], f"{kind.__name__}.fit")
    names = {base.__name__ for base in kind.__mro__} & METHODS.keys()
    if names and "__getattr__" not in owner:
        (name,) = names
        kind.__getattr__ = functools.partialmethod(_no_method, METHODS[name])
    return kind


def _no_method(self: Any, methods: dict[str, str], name: str) -> Any:
    kind = type(self).__name__
    here = f"; here it is {methods[name]}" if name in methods else ""
    raise AttributeError(f"{kind!r} object has no attribute {name!r}{here}", name=name, obj=self)


def _explained(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    if hasattr(function, "__wrapped__"):
        return function  # it was explained before
    parameters = inspect.signature(function).parameters
    known, kinds = list(parameters), {parameter.kind for parameter in parameters.values()}
    passes_on = inspect.Parameter.VAR_KEYWORD in kinds  # to one that explains keywords itself
    first = "learning_rate" if "learning_rate" in known[:2] else ""

    @functools.wraps(function)
    def explained(*arguments: Any, **keywords: Any) -> Any:
        for keyword in keywords:
            if keyword not in known and not passes_on:
                raise UnknownKeywordError(_message(name, keyword, known))
        if first and len(arguments) > 1 and not np.isscalar(arguments[1]):
            given = arguments[1]
            # A few numbers are no parameters: the optimizer itself has a message for them.
            if np.size(given) > 10 or hasattr(given, "parameters"):
                raise InputError(
                    f"{name} expected a learning rate, got the parameters of a network: pass them "
                    f"to {name}(...).step(network.parameters, network.gradients), or let Trainer"
                )
        return function(*arguments, **keywords)

    return explained


def _message(name: str, keyword: str, known: list[str]) -> str:
    own = [known_as for known_as in known if known_as != "self"]
    meant = [here for here in MEANT.get(keyword, ()) if here in own]
    close = difflib.get_close_matches(keyword, own, n=1)
    if keyword == "betas" and len(meant) == 2:
        here = "beta1 and beta2"
    elif meant:
        here = FORM.get(meant[0], meant[0])
    elif keyword in ELSEWHERE:
        return f"{name} has no argument {keyword!r}: here it is {ELSEWHERE[keyword]}"
    elif close:
        here = close[0]
    else:
        return f"{name} has no argument {keyword!r}: expected one of {', '.join(own)}"
    return f"{name} has no argument {keyword!r}: here it is {here}"
