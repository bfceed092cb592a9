"""`numpymlp page`: which file it writes, and what it refuses before writing one."""

import pytest
from small_mnist import small_mnist

from numpymlp.__main__ import main


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_mnist(tmp_path_factory.mktemp("mnist"), 300, 100)


@pytest.fixture(scope="module")
def run(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = ["--hidden", "8", "--epochs", "2", "--no-figures", "--no-check", "--quiet"]
    assert main(["train", "--output", str(folder), "--data", str(data), *settings]) == 0
    return folder


def test_a_page_is_written_where_it_is_wanted(run, tmp_path, capsys):
    assert main(["page", str(run), "--output", str(tmp_path / "p.html")]) == 0
    text = (tmp_path / "p.html").read_text()
    assert text.startswith("<!doctype html>")
    assert '"snapshots": [{"epoch": 0,' in text
    assert "p.html: " in capsys.readouterr().out
    assert main(["page", str(run)]) == 0
    assert (run / "page.html").is_file()


def test_a_damaged_file_of_snapshots_is_told(run, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "snapshots.npz").write_bytes(b"PK")
    assert main(["page", str(copy), "--output", str(tmp_path / "p.html")]) == 2
    assert "snapshots.npz" in capsys.readouterr().err
    assert not (tmp_path / "p.html").exists()
    (copy / "snapshots.npz").unlink()
    assert main(["page", str(copy), "--output", str(tmp_path / "p.html")]) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--classes", "a,b"], "--classes: expected length 10, one name for each, got 2"),
        (["--data", "nowhere"], "nowhere"),
        (["--output", "no/folder/p.html"], "p.html could not be written"),
    ],
)
def test_bad_options_get_one_line_and_no_file(run, tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    wanted = options if "--output" in options else [*options, "--output", "p.html"]
    assert main(["page", str(run), *wanted]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
