"""The rules of the house that a machine can check: size of the core, direction of dependence."""

import ast
import subprocess
import tokenize
from pathlib import Path

import pytest

import numpymlp

PACKAGE = Path(numpymlp.__file__).parent
ROOT = PACKAGE.parent
CORE = (
    "layers", "losses", "initializers", "network", "optimizers", "schedules", "training/trainer",
)  # fmt: skip

# What each room of the core may import from this package.
MAY_KNOW = {
    "validation": set(),
    "initializers": {"validation"},
    "layers": {"initializers", "validation"},
    "losses": {"layers", "validation"},
    "vectors": set(),
    "optimizers": {"validation", "vectors"},
    "schedules": {"validation"},
}


def lines_of_code_and_comments(path):
    """Count the lines that are neither blank nor part of a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    with path.open("rb") as file:
        nothing = {tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING, tokenize.ENDMARKER,
                   tokenize.INDENT, tokenize.DEDENT}  # fmt: skip
        lines = set()
        for token in tokenize.tokenize(file.readline):
            if token.type not in nothing:
                lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def test_the_core_can_be_read_in_an_evening():
    counts = {room: lines_of_code_and_comments(PACKAGE / f"{room}.py") for room in CORE}
    assert sum(counts.values()) <= 1200, counts


def test_the_counter_counts_code_and_comments_alone(tmp_path):
    path = tmp_path / "room.py"
    path.write_text(
        '"""A room.\n\nOf two.\n"""\n\nx = (\n    1\n)\n# why\n\n\ndef f():\n    """F."""\n'
    )
    assert lines_of_code_and_comments(path) == 5


@pytest.mark.parametrize("room", MAY_KNOW)
def test_dependence_runs_one_way(room):
    tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
    known = {
        node.module.removeprefix("numpymlp.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numpymlp")
    }
    assert known <= MAY_KNOW[room]


def test_every_public_name_exists_and_has_a_docstring():
    for name in numpymlp.__all__:
        assert getattr(numpymlp, name).__doc__, name


def test_the_top_level_holds_what_the_house_says():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert "numpymlp" in top
    visible = {name for name in top if not name.startswith(".")}
    assert visible <= {"pyproject.toml", "README.md", "LICENSE", "numpymlp", "tests", "tutorials"}
