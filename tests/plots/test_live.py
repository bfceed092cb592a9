import copy
import sys
import types

import numpy as np
import pytest
from messages import one_clear_error

from numpymlp import Adam, OneCycle, SoftmaxCrossEntropy, Trainer, mlp, plots
from numpymlp.plots import live


class Clock:
    """A clock that a step and a drawing set forward."""

    def __init__(self, step, drawing):
        self.now, self.each, self.drawing, self.drawn = 0.0, step, drawing, []

    def monotonic(self):
        return self.now

    def curves(self, trainer):
        self.drawn.append(self.now)
        self.now += self.drawing
        return b"png"

    def step(self, trainer):
        self.now += self.each


@pytest.mark.parametrize(("step", "drawing"), [(0.01, 0.3), (0.001, 0.001), (0.5, 5.0)])
def test_drawing_takes_under_3_percent_and_comes_at_most_once_a_second(
    step, drawing, monkeypatch, tmp_path
):
    clock, show = Clock(step, drawing), plots.Live(tmp_path / "curves.png")
    monkeypatch.setattr(live, "time", clock)
    monkeypatch.setattr(live, "curves", clock.curves)
    monkeypatch.setattr(live, "png_of", lambda png: png)
    trainer = types.SimpleNamespace(state=types.SimpleNamespace(step=1))
    show.begin(trainer)
    while clock.now < 200 * max(0.2, drawing):
        clock.step(trainer)
        show.step(trainer)
    assert np.diff(clock.drawn).min(initial=np.inf) >= 1
    for n, when in enumerate(clock.drawn[1:], 1):  # at each drawing, all before it together
        assert n * drawing < 0.03 * when
    during = len(clock.drawn)
    assert during > 1
    show.end(trainer)
    assert len(clock.drawn) == during + 1


def trained(callbacks, epochs=2, **options):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    network = mlp([4, 5, 3], rng=rng)
    trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(0.1), schedule=OneCycle(), batch_size=10,
                      verbose=0, callbacks=callbacks, **options)  # fmt: skip
    trainer.fit(x, y, epochs=epochs, validation=0.2)
    return trainer


def test_a_file_gets_the_curves_of_the_whole_training(tmp_path):
    path = tmp_path / "curves.png"
    trainer = trained([plots.Live(path)])
    assert path.read_bytes().startswith(b"\x89PNG")
    figure = live.curves(trainer)
    assert figure.get_suptitle() == "Epoch 2 of 2"
    rates = figure.axes[2].lines[0].get_ydata()
    assert len(rates) == trainer.state.step
    np.testing.assert_allclose(rates, [0.1 * OneCycle()(n, 10) for n in range(10)])


def test_the_epoch_under_way_is_drawn_by_its_running_means():
    seen = []

    class Look(plots.Live):
        def begin(self, trainer):
            pass

        def step(self, trainer):
            if trainer.state.step in (2, 7):  # of 5 steps an epoch
                line = live.curves(trainer).axes[0].lines[0]
                seen.append((line.get_xdata().tolist(), line.get_ydata()[-1]))
                running = trainer.state.running_columns(trainer.network)["running_train_loss"]
                assert line.get_ydata()[-1] == running

        def end(self, trainer):
            pass

    trained([Look()])
    assert [x for x, _ in seen] == [[0.4], [1, 1.4]]


def test_in_a_notebook_one_display_is_updated(monkeypatch):
    shown = []

    class Place:
        def update(self, image):
            shown.append(("update", image))

    display = types.SimpleNamespace(
        Image=lambda data: data[:4],
        display=lambda image, display_id: shown.append(("display", image)) or Place(),
    )
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    show = live._show_on(None)
    show(b"\x89PNG1")
    show(b"\x89PNG2")
    assert shown == [("display", b"\x89PNG"), ("update", b"\x89PNG")]


def test_without_a_display_the_error_names_the_file_to_write(monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    one_clear_error(lambda: trained([plots.Live()]), r"write a file with Live\('curves.png'\)")


def test_a_trainer_that_was_watched_can_be_copied(tmp_path):
    show = plots.Live(tmp_path / "curves.png")
    trained([show])
    assert copy.deepcopy(show)._show is None
