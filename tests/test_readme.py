"""The README and its pages show what happens: their Python runs and prints what they say.

Tables agree with the result files, links and images exist, and the README stays short.
"""

import contextlib
import csv
import io
import os
import re
import runpy
import shlex
from pathlib import Path

import pytest
from small_mnist import small_mnist

from numpymlp.__main__ import build_parser, main
from numpymlp.benchmark import report
from numpymlp.experiments import results
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.storage.reading import read_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "tutorials" / "results"
MACHINES = sorted(path.parent.name for path in (RESULTS / "benchmark").glob("*/benchmark.json"))
GENERATED = {f"tutorials/results/benchmark/{machine}/benchmark.md" for machine in MACHINES}
LADDER = RESULTS / "ladder.md"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [
        ROOT / "README.md",
        ROOT / ".github" / "CONTRIBUTING.md",
        ROOT / ".github" / "CHANGELOG.md",
        ROOT / "tutorials" / "coming_from.md",
        ROOT / "tutorials" / "wrong_gradients.md",
        *sorted(RESULTS.rglob("*.md")),
    ]
}
README = PAGES["README.md"]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
MAX_WORDS, MAX_PARAGRAPH = 700, 90
every_page = pytest.mark.parametrize("page", PAGES)


def test_there_are_pages():
    assert len(PAGES) >= 7


# ---- code ----


@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if "```python" in text])
def test_the_python_runs_and_prints_what_the_page_shows(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the snippets save a model
    blocks = BLOCK.findall(PAGES[page])
    names = {}
    for (language, code), following in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language != "python":
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, page, "exec"), names)
        assert out.getvalue(), f"prints nothing:\n{code}"
        assert following[0] == "text", f"no output is shown after:\n{code}"
        assert_alike(out.getvalue(), following[1])


def assert_alike(printed, written):
    """Compare texts word by word; accuracies may differ by rounding on another machine."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", written).split()
    for ours, theirs in zip(NUMBER.findall(printed), NUMBER.findall(written), strict=True):
        if "e-" in theirs and float(theirs) < 1e-6:  # of an error near rounding, the size matters
            assert float(ours) <= 1e-6
        else:
            assert float(ours) == pytest.approx(float(theirs), abs=0.004)


def test_numbers_that_differ_are_noticed():
    with pytest.raises(AssertionError):
        assert_alike("accuracy 0.97", "accuracy 0.98")
    with pytest.raises(AssertionError):
        assert_alike("error 2e-5", "error 2e-11")


def commands(text):
    return re.findall(r"(?:\.venv/bin/|`)numpymlp ([a-z-][^`\n&#]*)", text)


@every_page
def test_every_command_on_a_page_exists(page):
    for command in commands(PAGES[page]):
        words = shlex.split(command)
        words += ["RUN"] * (words == ["evaluate"])  # the bare name of the command
        if words[-1] == "--help":
            with pytest.raises(SystemExit) as end:
                build_parser().parse_args(words)
            assert end.value.code == 0
        else:
            assert build_parser().parse_args(words).function


def test_commands_are_found():
    assert len(commands(README)) >= 6


@pytest.mark.parametrize(
    ("name", "command"), [("train", "numpymlp train"), ("tests", "pytest -n auto")]
)
def test_the_marked_line_is_where_the_checks_on_a_bare_machine_look_for_it(name, command):
    (line,) = re.findall(f"<!-- {name} -->\n```sh\n(.*)\n```\n", README)
    assert line.startswith("python3 -m venv .venv && ")
    assert line.endswith(f".venv/bin/{command}")


def test_contributing_sets_up_with_the_line_of_the_readme():
    (line,) = re.findall("<!-- tests -->\n```sh\n(.*)\n```\n", README)
    assert f"```sh\n{line}\n```" in PAGES[".github/CONTRIBUTING.md"]


def test_the_output_of_train_has_the_lines_that_train_prints_today(tmp_path, capsys):
    data = small_mnist(tmp_path, 600, 100)
    assert main(["train", "--data", str(data), "--output", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out.replace(str(data), "MNIST")
    (written,) = re.findall("<!-- train output -->\n```text\n(.*?)```\n", README, re.DOTALL)

    def lines(text):
        numbers = NUMBER.sub("#", text.split("saved to ")[0].replace(",", ""))
        return [line.split() for line in numbers.splitlines()]

    assert lines(printed) == lines(written)


# ---- tables and numbers ----


def shown(name, text=README):
    """Return the part of a page that is marked with this name."""
    (part,) = re.findall(f"<!-- {name} -->\n\n(.*?)\n\n<!-- end of {name} -->", text, re.DOTALL)
    return part


def cells(table):
    """Split a Markdown table into its rows of cells, without the line below the head."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [rows[0], *rows[2:]]


def columns(table, names):
    rows = cells(table)
    return [[row[rows[0].index(name)] for name in names] for row in rows]


@pytest.fixture(scope="module")
def ladder():
    """The table of the recipes that were run, made from `ladder.csv`."""
    rows = results.read_results(results.results_file())
    names = [name for name, named in RECIPES.items() if results.result_of(named, rows)]
    return results.table(rows, names=names)


@pytest.fixture(scope="module")
def benchmark():
    return results_on("avx512")


def results_on(machine):
    return read_json(RESULTS / "benchmark" / machine / "benchmark.json", "a benchmark", {})


def test_the_tables_of_the_ladder_are_made_from_its_results(ladder):
    rows = results.read_results(results.results_file())
    assert shown("ladder", LADDER.read_text(encoding="utf-8")) == ladder
    (fashion,) = {row["data"] for row in rows if row["data"].startswith("fashion-mnist ")}
    table = results.table(rows, fashion, ["default", "dropout", "lenet", "lenet-elastic"])
    assert shown("fashion", LADDER.read_text(encoding="utf-8")) == table


def test_the_readme_shows_the_ladder_without_seeds_and_sources(ladder):
    table = cells(shown("ladder"))
    assert len(table) == 1 + len(RECIPES)
    expected = columns(ladder, table[0])
    place = table[0].index("published test error")
    for row in expected[1:]:  # "12.0 % (linear), LeCun, ... 1998"
        row[place] = row[place].split(" %")[0] + " %"
    assert table == expected


def test_the_trials_of_the_ladder_page_are_in_their_file():
    with (RESULTS / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    strengths = {"as `elastic`": "elastic=20.0", "as `record`": "elastic=36.0"}
    rows = cells(shown("trials", LADDER.read_text(encoding="utf-8")))[1:]
    assert len(rows) == 4
    for network, distortion, epochs, dropout, batch, accuracy, loss in rows:
        settings = {
            f"hidden={network.removeprefix('784-').removesuffix('-10')}",
            strengths[distortion],
            f"epochs={epochs}",
            f"batch_size={batch}",
        } | ({f"dropout={dropout}"} if dropout != "0" else set())
        found = [
            f"{float(trial['held_out_accuracy']):.2%}"
            for trial in trials
            if settings <= set(trial["settings"].split()) and trial["held_out_loss"] == loss
        ]
        assert found == [accuracy.replace(" ", "")]


def test_the_table_of_averaging_is_made_from_its_results():
    script = runpy.run_path(str(RESULTS / "averaging.py"))
    assert shown("averaging", PAGES["tutorials/results/averaging.md"]) == script["table"]()


@pytest.mark.parametrize("machine", MACHINES)
def test_the_tables_of_the_benchmark_are_made_from_its_results(machine):
    generated = (RESULTS / "benchmark" / machine / "benchmark.md").read_text(encoding="utf-8")
    assert generated == report.markdown(results_on(machine))


@pytest.mark.parametrize("machine", MACHINES)
def test_the_readme_shows_the_medians_of_the_benchmark(machine):
    parts = report.markdown(results_on(machine)).split("\n\n")
    seconds = next(part for part in parts if part.startswith("| network"))
    names = ["network", *(report.NAMES[peer] for peer in ("numpymlp", "sklearn32", "torch", "jax"))]
    head, *rows = columns(seconds, names)
    assert len(rows) == 5
    medians = [[re.sub(r" \(.*\)", "", cell) for cell in row] for row in rows]
    assert cells(shown(f"speed {machine}")) == [[name.split(",")[0] for name in head], *medians]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_ratios_of_the_benchmark_page_are_those_of_its_results(machine):
    benchmark = results_on(machine)
    peers = {name: peer for peer, name in report.NAMES.items()}
    peers |= {"PyTorch, float32": "torch", "JAX, float32, once compiled": "jax"}
    rows = cells(shown(f"ratios {machine}", (RESULTS / "benchmark" / "README.md").read_text()))[1:]
    assert len(rows) == 5
    for library, ours, times in rows:
        digits = len(times.split(".")[1])
        assert f"{report.ratio(benchmark, peers[library], peers[ours]):.{digits}f}" == times


def test_the_claims_of_the_readme_are_those_of_the_result_files(ladder, benchmark):
    claims = " ".join(README[: README.index("\n## ")].split())
    reached = {
        name: row for name, *row in columns(ladder, ["recipe", "test accuracy", "time of a run"])
    }
    for recipe in ("`default`", "`record`", "`lenet-elastic`"):
        accuracy, duration = reached[recipe]
        assert f"{accuracy.split(' ')[0]} %" in claims
        assert duration in claims
    for library, peer in (("scikit-learn", "sklearn32"), ("PyTorch", "torch"), ("JAX", "jax")):
        times = f"{report.ratio(benchmark, peer):.2f} times"
        assert re.search(rf"{library}( takes)? {times}", claims), (library, times)


# ---- links, images, length ----


def links(text):
    """Find the targets of links and images outside of code blocks."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)


def anchors(text):
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_every_link_and_image_of_a_page_exists(page):
    missing = []
    for link in links(PAGES[page]):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path.read_text("utf-8"))):
            missing.append(link)
    assert missing == []


def test_links_from_the_readme_lead_to_every_page_and_tutorial():
    found, pages = set(links(README)), ["README.md"]
    for page in pages:  # the list grows
        for link in links(PAGES[page]):
            target = os.path.relpath((ROOT / page).parent / link.partition("#")[0], ROOT)
            if target in PAGES and target not in pages:
                pages.append(target)
    assert set(PAGES) - GENERATED <= set(pages)
    course = ROOT / "tutorials"
    names = {path.stem for path in course.glob("[0-9][0-9]_*.py")}
    assert len(names) == 14
    assert {f"tutorials/{name}{end}" for name in names for end in (".py", ".ipynb")} <= found


@every_page
def test_every_image_has_an_alternative_text(page):
    images = re.findall(r"!\[([^\]]*)\]", PAGES[page])
    for tag in re.findall(r"<img[^>]*>", PAGES[page]):
        images += re.findall(r'alt="([^"]*)"', tag) or [""]
    assert all(len(text.split()) >= 4 for text in images), images


def prose(text):
    """Return a page's text without code blocks, comments, HTML tags and tables."""
    for pattern in (r"```.*?```", r"<!--.*?-->", r"<[^>]+>"):
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return "\n".join(line for line in text.splitlines() if not line.startswith("|"))


def test_the_readme_can_be_read_in_five_minutes():
    assert len(prose(README).split()) <= MAX_WORDS


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GENERATED])
def test_no_paragraph_is_long(page):
    longest = max(re.split(r"\n\s*\n", prose(PAGES[page])), key=lambda text: len(text.split()))
    assert len(longest.split()) <= MAX_PARAGRAPH, longest


def test_words_are_counted_outside_of_code_and_tables():
    text = "Two words\n<!-- no -->\n```sh\nno\n```\n| no |\n<b>and</b> three"
    assert prose(text).split() == ["Two", "words", "and", "three"]
