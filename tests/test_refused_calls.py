"""Every refused call leaves network, trainer, optimizer, loss and files exactly as they were."""

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from numpymlp import (
    SGD,
    Adam,
    AdamW,
    Checkpoint,
    Dense,
    EarlyStopping,
    InputError,
    L2Penalty,
    MeanSquaredError,
    Network,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
    load,
    mlp,
    save,
)
from numpymlp.training.checkpoint import state_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)).astype(np.float32), RNG.integers(0, 2, 40)
WEIGHT = np.ones(40)


class Unweighted(SoftmaxCrossEntropy):
    """A custom loss without weights."""

    def forward(self, logits: np.ndarray, y: np.ndarray) -> float:
        return super().forward(logits, y)


def network() -> Network:
    """A network with every kind of state, between forward and backward."""
    net = mlp([3, 5, 2], dropout=0.2, batch_norm=True, rng=np.random.default_rng(0))
    net.forward(X, training=True)
    return net


def world(folder: Path) -> SimpleNamespace:
    """A Trainer that has trained and written a checkpoint, and all that belongs to it."""
    made = SimpleNamespace(folder=folder, network=network(), loss=SoftmaxCrossEntropy(0.1))
    made.optimizer, made.other = AdamW(), Adam()
    made.other.step(np.ones(3), np.ones(3))
    made.trainer = Trainer(
        made.network,
        made.loss,
        made.optimizer,
        batch_size=16,
        checkpoint=Checkpoint(folder / "run.npz"),
        verbose=0,
    )
    made.trainer.fit(X, Y, 2, validation=(X, Y))
    save(made.network, folder / "model.npz")
    made.network.backward(np.ones_like(made.network.forward(X, training=True)))
    made.loss.forward(made.network.forward(X, training=True), Y)
    return made


def everything(made: SimpleNamespace) -> bytes:
    """All that a refused call could have changed, as bytes."""
    trainer = made.trainer
    plain = {name: value for name, value in vars(trainer).items() if isinstance(value, int | str)}
    networks = [(vars(net), [vars(layer) for layer in net.layers]) for net in (made.network,)]
    parts = [(vars(part).copy(), id(part.vector)) for part in (made.optimizer, made.other)]
    files = {path.name: path.read_bytes() for path in sorted(made.folder.iterdir())}
    objects = (state_of(trainer), plain, networks, parts, vars(made.loss), files)
    return repr([as_text(each) for each in objects]).encode()


def as_text(value: object) -> object:
    """Arrays as their bytes, containers with their contents, anything else as it is written."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: as_text(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_text(each) for each in value]
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    return value if isinstance(value, int | float | str | bytes | None) else repr(value)


def trainer_fit(**change):
    arguments = {"x": X, "y": Y, "epochs": 1} | change
    return lambda made: made.trainer.fit(**arguments)


def with_attribute(owner, name, value, call):
    """Call with an attribute set to a bad value, and set it back."""

    def run(made):
        part = getattr(made, owner)
        before = getattr(part, name)
        setattr(part, name, value(made) if callable(value) else value)
        try:
            call(made)
        finally:
            setattr(part, name, before)

    return run


BAD = np.full((40, 3), np.nan)
CALLS = {
    # Network
    "forward": lambda made: made.network.forward(X[:, :2]),
    "forward names": lambda made: made.network.forward(np.full((4, 3), "a")),
    "backward": lambda made: made.network.backward(np.ones((40, 3), np.float32)),
    "predict": lambda made: made.network.predict(X[0]),
    "predict NaN": lambda made: made.network.predict(BAD),
    "predict_proba": lambda made: made.network.predict_proba(np.empty((0, 3))),
    "activations": lambda made: made.network.activations(X[:, :2], training=True),
    "parameters": lambda made: setattr(made.network, "parameters", np.ones(3)),
    "buffers": lambda made: setattr(made.network, "buffers", np.ones(3)),
    "layers": lambda made: setattr(made.network, "layers", ()),
    "layers.pop": lambda made: made.network.layers.pop(),
    "W": lambda made: setattr(made.network.layers[0], "W", np.ones((5, 3))),
    "random_states, too few": lambda made: setattr(made.network, "random_states", []),
    "random_states, too many": lambda made: setattr(
        made.network, "random_states", [np.random.default_rng(9).bit_generator.state] * 2
    ),
    "copy": lambda made: made.network.copy(np.int64),
    "transfer": lambda made: Network([*made.network.layers[:-1], Dense(7, 2)]),
    # Trainer.fit
    "fit x": trainer_fit(x=X[:, :2]),
    "fit NaN": trainer_fit(x=BAD),
    "fit labels": trainer_fit(y=Y + 1),
    "fit rows": trainer_fit(y=Y[:-1]),
    "fit epochs": trainer_fit(epochs=0),
    "fit epochs as text": trainer_fit(epochs="3"),
    "fit validation share": trainer_fit(validation=1.5),
    "fit validation data": trainer_fit(validation=(X[:, :2], Y)),
    "fit sample_weight": trainer_fit(sample_weight=-WEIGHT),
    "fit no weight": trainer_fit(sample_weight=0 * WEIGHT),
    "fit class_weight": trainer_fit(class_weight={0: None}),
    "fit no class weight": trainer_fit(class_weight={0: 0, 1: 0}),
    "fit a batch of one row": trainer_fit(x=X[:33], y=Y[:33]),
    "fit without validation": with_attribute(
        "trainer", "early_stopping", EarlyStopping(3), trainer_fit()
    ),
    "fit another network's optimizer": with_attribute(
        "trainer", "optimizer", lambda made: made.other, trainer_fit()
    ),
    "fit NaN rate": with_attribute("optimizer", "learning_rate", np.nan, trainer_fit()),
    "fit None as callback": with_attribute("trainer", "callbacks", [None], trainer_fit()),
    "fit integers to squares": with_attribute("trainer", "loss", MeanSquaredError(), trainer_fit()),
    "fit weights to a loss without": with_attribute(
        "trainer", "loss", Unweighted(), trainer_fit(sample_weight=WEIGHT)
    ),
    "fit class weights to a loss without": with_attribute(
        "trainer", "loss", Unweighted(), trainer_fit(class_weight="balanced")
    ),
    "evaluate weights with a loss without": lambda made: evaluate(
        made.network, Unweighted(), X, Y, WEIGHT
    ),
    "fit order": with_attribute(
        "trainer", "order", lambda made: lambda epoch, rows: np.zeros(3, int), trainer_fit()
    ),
    "fit schedule": with_attribute(
        "trainer", "schedule", lambda made: lambda step, steps: np.nan, trainer_fit()
    ),
    "fit signal": with_attribute("trainer", "stop_signals", [-1], trainer_fit()),
    "fit without a folder": with_attribute(
        "trainer", "checkpoint", lambda made: Checkpoint(made.folder / "no" / "a"), trainer_fit()
    ),
    "new Trainer": lambda made: Trainer(made.network, MeanSquaredError, made.optimizer),
    "new Trainer's loss": lambda made: Trainer(made.network, SigmoidCrossEntropy(), SGD()),
    # optimizers
    "step with another network": lambda made: made.optimizer.step(np.ones(3), np.ones(3)),
    "step gradients": lambda made: made.optimizer.step(
        made.network.parameters, made.network.gradients[1:]
    ),
    "step factor": lambda made: made.optimizer.step(
        made.network.parameters, made.network.gradients, np.nan
    ),
    "step mask": with_attribute(
        "optimizer",
        "mask",
        np.ones(3, np.float32),
        lambda made: made.optimizer.step(made.network.parameters, made.network.gradients),
    ),
    "restore": lambda made: made.optimizer.restore({"m": None}),
    # losses
    "loss targets": lambda made: made.loss.forward(np.ones((4, 2)), np.full(4, 7)),
    "loss weights": lambda made: made.loss.forward(np.ones((4, 2)), np.zeros(4, int), -np.ones(4)),
    "loss logits": lambda made: made.loss.forward(np.ones(4), np.zeros(4, int)),
    # files
    "load a model as checkpoint": lambda made: Checkpoint(made.folder / "model.npz").load(
        made.trainer
    ),
    "load another run": lambda made: (
        Trainer(made.network, made.loss, SGD()).checkpoint
        or Checkpoint(made.folder / "run.npz").load(Trainer(made.network, made.loss, SGD()))
    ),
    "load nothing": lambda made: Checkpoint(made.folder / "no.npz").load(made.trainer),
    "load a checkpoint as model": lambda made: load(made.folder / "run.npz"),
    "save": lambda made: save("no network", made.folder / "model.npz"),
    "save to a folder": lambda made: save(made.network, made.folder / "no" / "model.npz"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimpleNamespace:
    return world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("name", CALLS)
def test_a_refused_call_changes_nothing(name: str, made: SimpleNamespace) -> None:
    before = everything(made)
    with pytest.raises((ValueError, KeyError, OSError)):
        CALLS[name](made)
    assert everything(made) == before


def test_a_network_that_is_refused_draws_no_weights_into_its_layers() -> None:
    layer, rng = Dense(3, 2), np.random.default_rng(0)
    for options in ({"dtype": np.int64}, {"output": "soft"}, {"rng": 0}):
        with pytest.raises(InputError):
            Network([layer], **({"rng": rng} | options))
    assert "W" not in vars(layer)
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(
    ("penalty", "cache"), [(MeanSquaredError(), "logits"), (L2Penalty(1.0), "mask")]
)
def test_a_refused_forward_keeps_what_backward_needs(penalty, cache) -> None:
    good = (np.ones((2, 1)), np.zeros(2)) if cache == "logits" else (np.ones(2), np.ones(2))
    penalty.forward(*good)
    before = pickle.dumps(penalty)
    with pytest.raises(InputError):
        penalty.forward(good[0], np.ones(3))
    assert pickle.dumps(penalty) == before
