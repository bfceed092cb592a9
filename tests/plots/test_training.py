import numpy as np
import pytest
from messages import one_clear_error
from pictures import diagnostics, history

from numpymlp import OneCycle, plots
from numpymlp.plots.style import TRAIN, VALIDATION
from numpymlp.training.history import History


def test_learning_curves_of_one_run():
    figure = plots.learning_curves(history())
    loss, accuracy, rate = figure.axes
    assert [axes.get_title(loc="left") for axes in (loss, accuracy)] == ["Loss", "Accuracy"]
    assert accuracy.get_ylabel() == "accuracy (%)"
    assert rate.get_ylabel() == "learning rate"
    assert {axes.get_xlabel() for axes in figure.axes} == {"epoch"}
    np.testing.assert_allclose(loss.lines[0].get_ydata(), history()["running_train_loss"])
    held_out = 100 * np.array(history()["validation_accuracy"])
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), held_out)
    assert [line.get_color() for line in loss.lines[:2]] == [TRAIN, VALIDATION]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["train (running mean)", "validation"]


def test_best_epoch_is_that_of_the_lowest_validation_loss():
    figure = plots.learning_curves(history())
    loss, accuracy, rate = figure.axes
    assert loss.get_title(loc="right") == "lowest loss, epoch 4: 0.3000"
    assert accuracy.get_title(loc="right") == "lowest loss, epoch 4: 94.00 %"
    for axes in (loss, accuracy, rate):
        assert axes.lines[-1].get_xdata() == [4, 4]
    figure = plots.learning_curves(history(), best_epoch=3)
    assert figure.axes[1].get_title(loc="right") == "epoch 3: 95.00 %"


def test_loss_axis_is_logarithmic_only_where_the_loss_spans_ten():
    assert plots.learning_curves(history()).axes[0].get_yscale() == "log"
    flat = history(running_train_loss=[0.5] * 6)
    figure = plots.learning_curves(flat)
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.axes[0].get_ylabel() == "loss"


def test_columns_that_do_not_exist_are_not_drawn():
    none = [None] * 6
    figure = plots.learning_curves(history(validation_loss=none, validation_accuracy=none))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["train (running mean)"]
    assert len(figure.axes[0].lines) == 1
    regression = {k: v for k, v in history().items() if "accuracy" not in k and "rate" not in k}
    assert len(plots.learning_curves(regression).axes) == 1


def test_a_diverged_run_is_drawn_up_to_its_end():
    losses = [1.0, 0.5, float("nan"), float("nan"), float("nan"), float("inf")]
    figure = plots.learning_curves(history(validation_loss=losses))
    assert figure.axes[0].get_title(loc="right") == "lowest loss, epoch 2: 0.5000"


def test_runs_are_told_apart_by_colour_and_sets_by_dashes():
    figure = plots.learning_curves({"SGD": history(), "Adam": history(8)})
    loss = figure.axes[0]
    assert len(loss.lines) == 4
    assert loss.lines[0].get_color() == loss.lines[1].get_color() != loss.lines[2].get_color()
    assert loss.lines[0].get_linestyle() == loss.lines[2].get_linestyle() == "--"
    assert loss.lines[1].get_linestyle() == "-"
    parts, runs = figure.legends
    assert [text.get_text() for text in runs.get_texts()] == ["SGD", "Adam"]
    assert len(parts.get_texts()) == 2


def test_the_trainers_history_can_be_drawn_as_it_is():
    columns = {"epoch": [1, 2], "running_train_loss": [0.5, 0.25], "learning_rate": [0.1, 0.1]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    figure = plots.learning_curves(History(rows))
    assert list(figure.axes[0].lines[0].get_ydata()) == [0.5, 0.25]
    figure = plots.learning_curves({"a": History(rows), "b": columns})
    assert len(figure.axes[0].lines) == 2


@pytest.mark.parametrize("values", [(1e300, 1e-300), (5e-324, 1e308), (1e308, 1.7e308)])
def test_losses_and_gradients_of_any_size_can_be_drawn(values):
    # Their logarithmic axis ended beyond the largest float.
    columns = {"running_train_loss": values, "learning_rate": values}
    layers = {"Dense 1": values}
    for figure in (
        plots.learning_curves({"epoch": [1, 2], **columns}),
        plots.training_diagnostics([0, 1], gradient_rms=layers, update_ratio=layers),
    ):
        figure.draw_without_rendering()
        assert all(np.isfinite(axes.get_ylim()).all() for axes in figure.axes)


def test_values_beyond_the_scales_are_named_in_the_title():
    beyond = {"epoch": [1, 2], "running_train_loss": [1.0, 1e300]}
    assert "sizes beyond 1e\N{PLUS-MINUS SIGN}100" in plots.learning_curves(beyond).get_suptitle()
    figure = plots.training_diagnostics([0, 1], gradient_rms={"Dense 1": [1e-300, 1e-3]})
    assert "sizes beyond" in figure.get_suptitle()
    for inside in ([0.0, 0.5], [np.inf, 0.5], [None, 0.5]):
        figure = plots.learning_curves({"epoch": [1, 2], "validation_loss": inside})
        assert figure.get_suptitle() == "Learning curves"


def test_the_rate_of_every_step_is_drawn_over_the_epochs():
    rates = [OneCycle()(step, 60) for step in range(60)]
    axes = plots.learning_curves(history(), rates=rates).axes[2]
    (line, *_marks) = axes.lines
    np.testing.assert_array_equal(line.get_ydata(), rates)
    np.testing.assert_allclose(line.get_xdata(), 6 * np.arange(1, 61) / 60)
    assert line.get_ydata().argmax() > 0  # it rises before it falls


def test_the_test_scores_are_marked_at_the_end():
    figure = plots.learning_curves(history(), test={"loss": 0.25, "accuracy": 0.9824})
    for axes, value, text in zip(figure.axes, (0.25, 98.24), ("0.2500", "98.24 %"), strict=False):
        (mark,) = [line for line in axes.lines if line.get_marker() == "D"]
        np.testing.assert_allclose(mark.get_xydata(), [[6, value]])
        assert axes.get_title(loc="right").endswith(f"test {text}")
    assert figure.legends[0].get_texts()[-1].get_text() == "test, at the end"


def test_a_learning_rate_that_is_not_finite_leaves_the_losses_visible():
    columns = {"epoch": [1, 2], "running_train_loss": [0.5, 0.25]}
    for rates in ([np.nan, np.nan], [np.inf, 0.1]):
        figure = plots.learning_curves({**columns, "learning_rate": rates})
        figure.draw_without_rendering()
        assert list(figure.axes[0].lines[0].get_ydata()) == [0.5, 0.25]


def test_diagnostics_have_a_panel_for_what_is_given_and_the_guide_line():
    steps, layers = diagnostics()
    figure = plots.training_diagnostics(
        steps, gradient_rms=layers, dead_share=layers, update_ratio=layers
    )
    gradient, dead, update = figure.axes
    assert gradient.get_yscale() == update.get_yscale() == "log"
    assert dead.get_ylim()[0] == 0
    np.testing.assert_allclose(dead.lines[0].get_ydata(), 100 * layers["Dense 1"])
    np.testing.assert_allclose(gradient.lines[1].get_ydata(), layers["Dense 2"])
    assert list(update.lines[-1].get_ydata()) == [1e-3, 1e-3]
    assert [text.get_text() for text in update.texts] == ["guide line: 1e-3"]
    assert update.get_xlabel() == "step"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(layers)
    assert len(plots.training_diagnostics(steps, dead_share=layers).axes) == 1


def test_one_step_of_diagnostics_is_a_point():
    figure = plots.training_diagnostics([7], dead_share={"Dense 1": [0.25]})
    line = figure.axes[0].lines[0]
    assert (line.get_marker(), line.get_xydata().tolist()) == ("o", [[7, 25]])


def test_a_layer_whose_gradient_is_0_is_still_seen():
    gone = np.zeros(4)
    figure = plots.training_diagnostics(
        np.arange(4), gradient_rms={"alive": np.full(4, 1e-3), "dead": gone}
    )
    axes = figure.axes[0]
    assert "exactly 0: dead" in axes.get_title(loc="right")
    (marks,) = [line for line in axes.lines if line.get_marker() == "v"]
    assert len(marks.get_xdata()) == 4
    # Where nothing is above 0 there is no logarithm.
    figure = plots.training_diagnostics(np.arange(4), gradient_rms={"dead": gone})
    assert figure.axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.learning_curves([0.5, 0.2]), "a dict of columns.*got list"),
        (lambda: plots.learning_curves({}), "a dict of columns with 'epoch' among them"),
        (lambda: plots.learning_curves({"epoch": []}), "at least one epoch, got none"),
        (lambda: plots.learning_curves({"epoch": [1]}), r"a column of losses or accuracies.*epoch"),
        (
            lambda: plots.learning_curves({"epoch": [1, 2], "validation_loss": [0.5]}),
            "columns of one length.*'validation_loss': 1",
        ),
        (lambda: plots.learning_curves({"SGD": {"loss": [1]}}), r"SGD: expected .*\['loss'\]"),
        (lambda: plots.learning_curves(history(), best_epoch=9), "epochs 1 to 6, got 9"),
        (lambda: plots.learning_curves(history(), rates=[[0.1]]), r"rates: .*got shape \(1, 1\)"),
        (lambda: plots.learning_curves(history(), test={"f1": 1.0}), "test: expected a dict"),
        (
            lambda: plots.learning_curves({"a": history()}, test={"loss": 1.0}),
            "rates and test: expected the history of one run",
        ),
        (lambda: plots.training_diagnostics([0, 1]), "at least one of gradient_rms"),
        (
            lambda: plots.training_diagnostics([0, 1], dead_share={"Dense 1": [0.1]}),
            r"dead_share\['Dense 1'\]: expected one number for each step, shape \(2,\), got \(1,\)",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
