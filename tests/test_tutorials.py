"""The course: notebooks agree with their scripts, and the exercises can be solved, and must be.

Running all tutorials takes minutes and is a step of its own: `python tutorials/build.py --check`.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from wrong_answers import WRONG_ANSWERS

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT / "tutorials"
SCRIPTS = sorted(COURSE.glob("[0-9][0-9]_*.py"))
EXERCISES = COURSE / "exercises"
SOLUTIONS = EXERCISES / "solutions"
NAMES = [path.stem for path in SCRIPTS]
MAX_NOTEBOOK, MAX_PICTURE = 300_000, 20_000  # bytes
TAGS = {"main", "hide-input", "hide-output"}
OPEN = "<details><summary><b>Answer</b></summary>\n\n"  # Markdown goes on after the empty line
MAX_LINES = 18  # of code in a cell, blank ones not counted
# Routines without AVX2 exist in OpenBLAS for every x86-64 processor; elsewhere the name is ignored.
MACHINES = {
    "one BLAS thread": {"OPENBLAS_NUM_THREADS": "1"},
    "two BLAS threads": {"OPENBLAS_NUM_THREADS": "2"},
    "other BLAS routines": {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Nehalem"},
}

# By its path: "build" is also the name of a well-known package.
spec = importlib.util.spec_from_file_location("build_the_course", COURSE / "build.py")
assert spec is not None
assert spec.loader is not None
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python as a learner would, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= variables
    arguments = [sys.executable, *map(str, command)]
    return subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True)


def exercise_results(*arguments: object) -> dict[str, set[str]]:
    """Run the exercises' tests; give which of them passed, failed, or broke."""
    done = run("-m", "pytest", EXERCISES, "-rA", "--tb=no", "-p", "no:cacheprovider", *arguments)
    found = re.findall(r"^(PASSED|FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    results = {word: {test for w, test in found if w == word} for word, _ in found}
    assert results, done.stdout + done.stderr
    return results


# ---- the pages ----


def test_there_are_tutorials() -> None:
    assert NAMES
    assert [name[:2] for name in NAMES] == [f"{n:02d}" for n in range(len(NAMES))]


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_notebook_shows_its_script(script: Path) -> None:
    assert build.differing_cell(script) == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_notebook_was_run_from_top_to_bottom_and_is_small(script: Path) -> None:
    path = script.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {(o.output_type, o.get("name")) for cell in code for o in cell.outputs}
    assert not kinds & {("error", None), ("stream", "stderr")}
    assert path.stat().st_size < MAX_NOTEBOOK
    picture = COURSE / "results" / "course" / f"{script.name[:2]}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < MAX_PICTURE


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_page_has_what_every_page_has(script: Path) -> None:
    cells = build.to_notebook(script).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert cells[0].source.startswith(f"# {script.name[:2]} ")
    for heading in ("What you will build", "What you need", "Symbols", "Checks", "In five lines"):
        assert f"\n## {heading}\n" in prose, heading
    assert "\n## Read next\n" in prose
    assert "**Predict, then run.**" in prose.replace("\n", " ")
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert sum(source.count("you_are_here(") for source in code) == 1
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(code[-1])))
    longest = max(code[1:], key=_lines)  # the first imports
    assert _lines(longest) <= MAX_LINES, f"a wall of code:\n{longest}"


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_a_prediction_comes_before_its_result_and_the_answer_is_in_a_closed_box(
    script: Path,
) -> None:
    cells = build.to_notebook(script).cells
    assert {tag for cell in cells for tag in cell.metadata.get("tags", [])} <= TAGS
    for number, cell in enumerate(cells):
        if "**Predict, then run.**" in cell.source.replace("\n", " "):
            question = cell.source.replace("\n", " ").split("**Predict, then run.**")[1]
            after = cells[number + 1 :]
            results = list(itertools.takewhile(lambda c: c.cell_type == "code", after))
            assert results, question
            assert any("hide-output" in c.metadata.get("tags", []) for c in results), question
            assert after[len(results)].source.startswith(OPEN), question
    for cell in cells:
        assert cell.source.count("<details>") == cell.source.count("\n\n</details>")


@pytest.mark.slow
@pytest.mark.parametrize("variables", MACHINES.values(), ids=MACHINES)
@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_what_a_page_asserts_holds_with_other_threads_and_routines(
    script: Path, variables: dict[str, str]
) -> None:
    done = run(script, MPLBACKEND="agg", **variables)
    assert done.returncode == 0, done.stderr


def _lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.splitlines())


# ---- the pages for teachers and for reference ----


@pytest.mark.parametrize("name", ["teaching", "notation", "cheat_sheet"])
def test_every_link_leads_to_a_file(name: str) -> None:
    text = (COURSE / f"{name}.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (COURSE / target).exists(), target


def test_every_cure_of_a_misconception_is_on_its_page() -> None:
    text = (COURSE / "teaching.md").read_text(encoding="utf-8")
    cures = re.findall(r"(\d\d), \"([^\"]+)\"", text)
    assert len(cures) > 15
    for number, heading in cures:
        (page,) = COURSE.glob(f"{number}_*.py")
        assert f"\n# ## {heading}\n" in page.read_text(encoding="utf-8"), (number, heading)
    for number, function in re.findall(r"exercise (\d\d), `(\w+)`", text):
        (exercises,) = EXERCISES.glob(f"{number}_*.py")
        assert f"def {function}(" in exercises.read_text(encoding="utf-8"), function


@pytest.mark.parametrize("script", SCRIPTS, ids=NAMES)
def test_the_notation_has_every_symbol_of_a_page(script: Path) -> None:
    notation = (COURSE / "notation.md").read_text(encoding="utf-8")
    symbols = script.read_text(encoding="utf-8").split("\n# ## Symbols\n")[1].split("\n\n")[0]
    for row in re.findall(r"^# \| (.*) \|$", symbols, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row.split(" | ")[1]):
            assert f"`{name}`" in notation, row


def test_the_glossary_is_in_alphabetical_order() -> None:
    text = (COURSE / "notation.md").read_text(encoding="utf-8").split("## Glossary")[1]
    words = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)[1:]
    assert words == sorted(words, key=str.lower)
    assert {"Glorot", "He", "logits", "epoch", "ResNet"} <= set(words)


# ---- the build ----


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course of one page, built."""
    folder = tmp_path_factory.mktemp("course")
    lines = ["# %% [markdown]", "# # 00 Small", "", "# %%", "print(6 * 7)", ""]
    (folder / "00_small.py").write_text("\n".join(lines))
    done = run(COURSE / "build.py", "--folder", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def page(built: Path, tmp_path: Path) -> Path:
    """The script of that page, in a copy of the course that a test may change."""
    return shutil.copytree(built, tmp_path / "course") / "00_small.py"


def test_build_writes_what_the_cells_print_and_the_same_again(page: Path) -> None:
    notebook = page.with_suffix(".ipynb")
    before = notebook.read_bytes()
    assert nbformat.reads(before.decode(), as_version=4).cells[1].outputs[0].text == "42\n"
    assert run(COURSE / "build.py", "--folder", page.parent).returncode == 0
    assert notebook.read_bytes() == before


def test_check_finds_a_notebook_that_is_not_its_scripts(page: Path) -> None:
    notebook = page.with_suffix(".ipynb")
    before = notebook.read_bytes()
    page.write_text(page.read_text().replace("6 * 7", "6 * 8"))
    done = run(COURSE / "build.py", "--check", "--folder", page.parent)
    assert done.returncode == 1
    assert "cell 1 differs" in done.stderr
    assert notebook.read_bytes() == before


def test_a_notebook_hides_what_its_script_tags(page: Path) -> None:
    page.write_text(page.read_text().replace("# %%\nprint", '# %% tags=["hide-output"]\nprint'))
    assert run(COURSE / "build.py", "--check", "--folder", page.parent).returncode == 1
    assert run(COURSE / "build.py", "--folder", page.parent).returncode == 0
    cell = nbformat.read(page.with_suffix(".ipynb"), as_version=4).cells[1]
    assert cell.metadata == {"tags": ["hide-output"], "jupyter": {"outputs_hidden": True}}
    assert cell.outputs[0].text == "42\n"


def test_check_finds_a_cell_that_fails(page: Path) -> None:
    notebook = page.with_suffix(".ipynb")
    for path in (page, notebook):
        path.write_text(path.read_text().replace("6 * 7", "6 / 0"))
    done = run(COURSE / "build.py", "--check", "--folder", page.parent)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


# ---- the exercises ----


def test_every_tutorial_has_exercises_with_solutions_and_tests() -> None:
    for name in NAMES:
        for path in (EXERCISES / f"{name}.py", SOLUTIONS / f"{name}.py"):
            assert path.exists(), path
        assert (EXERCISES / f"test_{name}.py").exists(), name


@pytest.mark.parametrize("path", sorted(EXERCISES.glob("[0-9]*.py")), ids=lambda path: path.stem)
def test_a_page_has_at_least_four_exercises_of_three_kinds_and_solutions_with_reasons(
    path: Path,
) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(re.findall(r"^(?:def|class) ", source, re.MULTILINE)) >= 4
    kinds = re.findall(r"^# ---- (fill|explore|paper)(?: \*)? ----$", source, re.MULTILINE)
    assert set(kinds) == {"fill", "explore", "paper"}
    solution = (SOLUTIONS / path.name).read_text(encoding="utf-8")
    tree = ast.parse(solution)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert "  # " in ast.get_source_segment(solution, node), node.name


def test_some_exercises_have_a_star() -> None:
    starred = [p for p in EXERCISES.glob("[0-9]*.py") if " * ----" in p.read_text("utf-8")]
    assert len(starred) >= 5


def test_solutions_pass_and_the_open_exercises_fail() -> None:
    solved = exercise_results("--answers", SOLUTIONS)
    assert set(solved) == {"PASSED"}, solved
    # Every single test fails as long as nothing is written, and none for a fault of its own.
    still_open = exercise_results()
    assert set(still_open) == {"FAILED"}, still_open
    assert still_open["FAILED"] == solved["PASSED"]


def rounds() -> list[list[tuple[str, ...]]]:
    """Deal out the wrong answers, so that each round has at most one for every test."""
    dealt: list[list[tuple[str, ...]]] = []
    for wrong in WRONG_ANSWERS:
        free = [r for r in dealt if all(wrong[:2] != other[:2] for other in r)]
        if not free:
            dealt.append([])
        (free or dealt[-1:])[0].append(wrong)
    return dealt


def test_every_typical_wrong_answer_gets_its_diagnosis_and_no_traceback(tmp_path: Path) -> None:
    assert len(WRONG_ANSWERS) >= 20
    for number, wrong_answers in enumerate(rounds()):
        answers = shutil.copytree(SOLUTIONS, tmp_path / f"answers{number}")
        for name, _, line, wrong, _ in wrong_answers:
            path = answers / f"{name}.py"
            source = path.read_text(encoding="utf-8")
            assert line in source, (name, line)
            path.write_text(source.replace(line, wrong, 1), encoding="utf-8")
        tests = [f"{EXERCISES}/test_{name}.py::{test}" for name, test, *_ in wrong_answers]
        done = run("-m", "pytest", *tests, "--answers", answers, "-q", "-p", "no:cacheprovider")
        assert "Traceback" not in done.stdout
        for name, test, _, wrong, diagnosis in wrong_answers:
            report = re.search(rf"_ {test} _+\n(.*?)\n(?:_|=)", done.stdout, re.DOTALL)
            assert report is not None, (name, test, wrong, done.stdout)
            assert diagnosis in report[1], (name, test, wrong, done.stdout)
