"""What the README shows is what happens: its Python runs and prints what stands there."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from numpymlp.__main__ import build_parser
from numpymlp.benchmark import report
from numpymlp.experiments import results as standings
from numpymlp.storage.files import read_json

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def test_the_python_runs_and_prints_what_stands_there():
    blocks = BLOCK.findall(README)
    names, shown = {}, 0
    for (language, code), following in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language != "python":
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, "README.md", "exec"), names)
        if out.getvalue():
            assert following[0] == "text", f"no output stands behind:\n{code}"
            assert_alike(out.getvalue(), following[1])
            shown += 1
    assert shown >= 2


def assert_alike(printed, written):
    """Compare texts word by word; accuracies may differ by rounding on another machine."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", written).split()
    for ours, theirs in zip(NUMBER.findall(printed), NUMBER.findall(written), strict=True):
        if "e-" in theirs:  # an error near rounding: its size matters, not its digits
            assert float(ours) <= 1e-6
        else:
            assert float(ours) == pytest.approx(float(theirs), abs=0.004)


def test_numbers_that_differ_are_noticed():
    with pytest.raises(AssertionError):
        assert_alike("accuracy 0.97", "accuracy 0.98")
    with pytest.raises(AssertionError):
        assert_alike("error 2e-5", "error 2e-11")


def test_every_command_that_the_readme_names_exists():
    commands = re.findall(r"(?:\.venv/bin/|`)numpymlp ([a-z-][^`\n&]*)", README)
    assert len(commands) >= 4
    for command in commands:
        if command.endswith("--help"):
            with pytest.raises(SystemExit) as end:
                build_parser().parse_args(shlex.split(command))
            assert end.value.code == 0
        else:
            assert build_parser().parse_args(shlex.split(command)).function


def shown(name):
    """The part of the README that is marked with this name."""
    (part,) = re.findall(f"<!-- {name} -->\n\n(.*?)\n\n<!-- end of {name} -->", README, re.DOTALL)
    return part


def test_the_tables_of_the_ladder_are_made_from_its_results():
    rows = standings.read_results(standings.results_file())
    assert shown("ladder") == standings.table(rows)
    (fashion,) = {row["data"] for row in rows if row["data"].startswith("fashion-mnist ")}
    assert shown("fashion") == standings.table(rows, fashion, ["default", "dropout"])


def test_the_tables_of_the_benchmark_are_made_from_its_results():
    folder = Path(__file__).parent.parent / "tutorials" / "results" / "benchmark"
    results = read_json(folder / "benchmark.json", "benchmark")
    assert shown("benchmark") + "\n" == report.markdown(results)
    assert (folder / "benchmark.md").read_text(encoding="utf-8") == report.markdown(results)


def test_every_file_that_the_readme_links_to_exists():
    root = Path(__file__).parent.parent
    found = re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r'src="([^"]+)"', README)
    links = [link for link in found if "://" not in link]
    assert any(link.endswith("course/00.png") for link in links)
    assert len(links) > 10
    assert [link for link in links if not (root / link).exists()] == []
