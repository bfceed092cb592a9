"""`numpymlp check`: every option reaches the network, the table is printed, errors are reported."""

import pytest

from numpymlp import BatchNorm, Dropout, InputError, Tanh
from numpymlp.__main__ import main
from numpymlp.commands.check import check_architecture


def test_the_options_reach_the_network() -> None:
    network, loss, report = check_architecture(
        (4, 3),
        inputs=5,
        outputs=2,
        activation="tanh",
        batch_norm=True,
        dropout=0.5,
        label_smoothing=0.1,
        rows=7,
    )
    kinds = [type(layer) for layer in network.layers]
    assert kinds.count(BatchNorm) == kinds.count(Tanh) == kinds.count(Dropout) == 2
    assert (network.shapes[0], network.shapes[-1]) == ((5,), (2,))
    assert loss.label_smoothing == 0.1
    assert report.passed
    rows = {row.name: row for row in report.rows}
    assert rows["x"].shape == (7, 5)
    assert {row.name for row in check_architecture(())[2].rows} == {"0.W", "0.b", "x"}


def test_the_seed_determines_the_weights() -> None:
    first, again, other = (check_architecture(seed=seed)[0].parameters for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    network = check_architecture()[0]
    assert (network.layers[0].b != 0).all()  # biases of 0 would hide errors


def test_the_penalty_is_in_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    from numpymlp import L2Penalty

    assert check_architecture(l2=0.5)[2].passed
    backward = L2Penalty.backward
    monkeypatch.setattr(L2Penalty, "backward", lambda self: 2 * backward(self))
    assert not check_architecture(l2=0.5)[2].passed


@pytest.mark.parametrize("loss", ["softmax", "sigmoid", "squared-error"])
def test_the_command_prints_the_table(loss: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--loss", loss, "--hidden", "3", "--activation", "tanh"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Network(Dense(6 -> 3), Tanh, Dense(3 -> 3); 33 parameters")
    assert [line.split()[0] for line in lines[2:7]] == ["0.W", "0.b", "2.W", "2.b", "x"]
    assert lines[-1].startswith("passed: largest error ")


def test_the_mode_direction_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--mode", "direction", "--hidden", "none"]) == 0
    assert "direction" in capsys.readouterr().out


def test_wrong_gradients_end_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Tanh, "backward", lambda self, dy, input_gradient=True: dy)
    with pytest.raises(SystemExit, match="1"):
        main(["check", "--activation", "tanh"])
    assert "FAILED" in capsys.readouterr().out


def test_a_wrong_option_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in [
        (
            ["--label-smoothing", "0.1", "--loss", "sigmoid"],
            "expected --loss softmax",
        ),
        (["--rows", "0"], "--rows: expected a whole number of at least 1, got 0"),
        (["--outputs", "-3"], "--outputs: expected a whole number"),
        (["--dropout", "1"], "Dropout rate: expected a number in [0, 1)"),
        (["--rows", "1", "--batch-norm"], "at least 2 rows"),
    ]:
        assert main(["check", *arguments]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(InputError, match="loss: expected one of softmax, sigmoid"):
        check_architecture(loss="hinge")
