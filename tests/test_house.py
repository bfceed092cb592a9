"""The rules of the house that a machine can check: dependence, size, imports, mirrored tests.

Each rule is a function of a package's folder, so that a test can also show it a package that breaks
the rule.
"""

import ast
import graphlib
import importlib
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import numpymlp

PACKAGE = Path(numpymlp.__file__).parent
ROOT = PACKAGE.parent
TESTS = Path(__file__).parent

# The files that are read in one evening; of the layer protocol, the definitions that a layer needs.
CORE = (
    "layers", "losses", "initializers", "network", "optimizers", "schedules", "training/trainer",
)  # fmt: skip
PROTOCOL = ("Declared", "parameter", "buffer", "Layer")
CORE_LIMIT = 1000  # lines of code and comments
FILE_LIMIT = 400
TOP_LIMIT = 14

# What each part of the package may import, beside itself. A part is a sub-package, "textbook" (the
# modules at the top), or a single module, which comes before the part that it belongs to.
ON_TOP = {"experiments", "sklearn", "benchmark", "page"}
BELOW = {"textbook", "storage", "data", "metrics", "training", "plots"}
SUB_PACKAGES = BELOW - {"textbook"} | ON_TOP | {"commands"}
ENTRIES = {"numpymlp", "__main__"}  # the __init__ of the package, and the command line
MAY_KNOW = {
    "validation": set(),
    "initializers": {"validation"},
    "layer_protocol": {"validation"},
    "layers": {"layer_protocol", "initializers", "validation"},
    "convolution": {"layer_protocol", "layers", "initializers", "validation"},
    "losses": {"layers", "layer_protocol", "validation"},
    "network": {"losses", "layers", "layer_protocol", "validation"},
    "optimizers": {"validation"},
    "schedules": {"validation"},
    "textbook": {"textbook"},
    "storage": {"textbook"},
    "data": {"validation", "storage.files"},
    "metrics": {"validation", "storage.files"},
    "training": {"textbook", "storage", "data"},
    "plots": BELOW,
    **dict.fromkeys(ON_TOP, BELOW | ON_TOP | {"numpymlp"}),
    "commands": BELOW | ON_TOP | {"numpymlp"},
    "numpymlp": {"textbook", "storage", "data", "training"},
    "__main__": BELOW | ON_TOP | {"numpymlp", "commands"},
}

# Modules without a tests file of their own, with the one that covers them and the reason.
COVERED_BY = {
    "metrics.checks": ("metrics/test_classification.py", "the metrics raise its messages"),
    "plots.diagnostics": ("plots/test_training.py", "the curves of the layers"),
    "plots.units": ("plots/test_explain.py", "the parts of one picture"),
    "storage.npz": ("storage/test_archive.py", "archives are its only users"),
    "data.mnist": ("data/test_idx.py", "a data set is four IDX files"),
    "experiments.environment": ("experiments/test_runs.py", "each run records it"),
    "experiments.folders": ("experiments/test_runs.py", "the folder of a run"),
    "experiments.results": ("experiments/test_ladder.py", "the ladder makes the results"),
    "experiments.named_recipes": ("experiments/test_ladder.py", "the rungs of the ladder"),
}
# Folders with one tests file for all their modules.
COVERED_FOLDERS = {
    "sklearn": ("sklearn/test_estimators.py", "the modules are parts of the two estimators"),
    "benchmark": ("benchmark/test_benchmark.py", "the modules are steps of one command"),
    "commands": ("commands/test_main.py", "the commands are run through the command line"),
}


# ---- imports, as a graph ----


def modules_of(package: Path) -> dict[str, Path]:
    """Map the name of each module, such as "training.trainer", to its file.

    A sub-package stands for its ``__init__``, "numpymlp" for that of the whole package.
    """
    files = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        files[".".join(parts) or "numpymlp"] = path
    return files


def imports_of(package: Path) -> dict[str, set[str]]:
    """Map each module to all modules of the package that it imports.

    Imports for types alone and imports inside functions count.
    """
    files = modules_of(package)
    graph = {}
    for name, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = {module for node in ast.walk(tree) for module in _imported(node, name, path)}
        known = (_longest_known(module, files) for module in found)
        graph[name] = {module for module in known if module is not None} - {name}
    return graph


def _imported(node: ast.AST, importer: str, path: Path) -> Iterator[str]:
    """Yield the full dotted names that one statement, or call of import_module, imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            here = ["numpymlp", *(importer.split(".") if importer != "numpymlp" else [])]
            up = node.level - (path.name == "__init__.py")
            base = ".".join([*here[: len(here) - up], *([base] if base else [])])
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


def _longest_known(dotted: str, files: dict[str, Path]) -> str | None:
    """Return the module behind "numpymlp.layers.Dense"; None if it is not of this package."""
    parts = dotted.split(".")
    if parts[0] != "numpymlp":
        return None
    names = (".".join(parts[1:stop]) for stop in range(len(parts), 1, -1))
    return next((name for name in names if name in files), "numpymlp")


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of a circle of imports, the first also at the end; [] if there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def part_of(module: str) -> str:
    """Return the sub-package of a module; "textbook" for the modules at the top."""
    first, dot, _ = module.partition(".")
    return first if dot or first in SUB_PACKAGES or first in ENTRIES else "textbook"


def forbidden_imports(graph: dict[str, set[str]]) -> list[str]:
    """Return "importer -> imported" for each import that `MAY_KNOW` does not allow."""
    wrong = []
    for importer, imported in graph.items():
        row = importer if importer in MAY_KNOW else part_of(importer)
        known = MAY_KNOW.get(row, set())
        if row == part_of(importer):
            known = known | {row}
        wrong += [
            f"{importer} -> {module}"
            for module in sorted(imported)
            if not {module, part_of(module)} & known
        ]
    return wrong


def write_package(folder: Path, files: dict[str, str]) -> Path:
    """Write a package that breaks a rule; return its folder."""
    package = folder / "numpymlp"
    for name, text in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if path.parent != package:
            (path.parent / "__init__.py").touch()
    return package


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle_in(imports_of(PACKAGE)) == []


@pytest.mark.parametrize(
    "back",
    [
        "from numpymlp.network import Network",
        "import numpymlp.network",
        "import numpymlp.network as network",
        "from numpymlp import network",
        "from .network import Network",
        "from . import network",
        "def f():\n    from numpymlp.network import Network",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from numpymlp.network import N",
        "import importlib\nimportlib.import_module('numpymlp.network')",
        "from numpymlp.training.trainer import Trainer",
        "from numpymlp.training import trainer",
        "from numpymlp.training import Trainer",
    ],
)
def test_every_form_of_import_can_close_a_circle(back: str, tmp_path: Path) -> None:
    files = {
        "layers.py": back,
        "network.py": "from numpymlp.layers import Layer",
        "training/__init__.py": "from .trainer import Trainer",
        "training/trainer.py": "from ..network import Network",
    }
    graph = imports_of(write_package(tmp_path, files))
    assert {"layers", "network"} <= set(circle_in(graph)), graph
    files["layers.py"] = "import numpy"
    assert circle_in(imports_of(write_package(tmp_path, files))) == []


def test_dependence_runs_one_way() -> None:
    assert forbidden_imports(imports_of(PACKAGE)) == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        # the textbook knows no machinery
        *[("models", f"{machinery}.some") for machinery in sorted(SUB_PACKAGES)],
        ("gradient_check", "training.some"),
        ("models", "storage"),
        # ... and its first modules know only what comes before them
        ("validation", "initializers"),
        ("initializers", "layers"),
        *[
            (low, "network")
            for low in ("layer_protocol", "layers", "losses", "optimizers", "schedules")
        ],
        ("layers", "losses"),
        ("optimizers", "schedules"),
        ("network", "gradient_check"),
        # the machinery, from below to the top
        ("data.some", "layers"),
        ("data.some", "storage.archive"),
        ("metrics.some", "data.some"),
        ("metrics.some", "network"),
        ("storage.some", "training.some"),
        ("storage.some", "data.some"),
        ("training.some", "metrics.some"),
        ("training.some", "plots.some"),
        ("plots.some", "experiments.some"),
        ("experiments.some", "commands.some"),
        ("sklearn.some", "commands"),
        ("numpymlp", "experiments.some"),
        ("numpymlp", "plots"),
        ("commands.some", "__main__"),
        ("unheard_of.some", "validation"),
    ],
)
def test_an_import_against_the_direction_is_found(
    importer: str, imported: str, tmp_path: Path
) -> None:
    def file_of(module: str) -> str:
        if module in SUB_PACKAGES | {"numpymlp"}:
            return f"{module}/__init__.py".removeprefix("numpymlp/")
        return f"{module.replace('.', '/')}.py"

    files = {file_of(imported): "", file_of(importer): f"import numpymlp.{imported}"}
    graph = imports_of(write_package(tmp_path, files))
    assert forbidden_imports(graph) == [f"{importer} -> {imported}"]


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("initializers", "validation"),
        ("models", "network"),
        ("data/idx", "storage.files"),
        ("data/idx", "data.files"),
        ("metrics/some", "validation"),
        ("storage/models", "network"),
        ("training/trainer", "storage.archive"),
        ("plots/some", "training.history"),
        ("experiments/some", "plots"),
        ("benchmark/some", "sklearn.some"),
        ("commands/some", "experiments.some"),
        ("__main__", "commands.some"),
    ],
)
def test_an_import_along_the_direction_is_allowed(
    importer: str, imported: str, tmp_path: Path
) -> None:
    target = f"{imported.replace('.', '/')}.py"
    files = {f"{importer}.py": f"from numpymlp.{imported} import x", target: ""}
    graph = imports_of(write_package(tmp_path, files))
    assert set().union(*graph.values()) == {imported}
    assert forbidden_imports(graph) == []


# ---- sizes ----


def lines_of_code_and_comments(path: Path, names: tuple[str, ...] = ()) -> int:
    """Count the lines that are neither blank nor part of a docstring.

    Given names, only the definitions of these at the top of the module count.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    with path.open("rb") as file:
        nothing = {tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING, tokenize.ENDMARKER,
                   tokenize.INDENT, tokenize.DEDENT}  # fmt: skip
        lines: set[int] = set()
        for token in tokenize.tokenize(file.readline):
            if token.type not in nothing:
                lines |= set(range(token.start[0], token.end[0] + 1))
    if names:
        chosen = {node.name: node for node in tree.body if hasattr(node, "name")}
        lines &= {
            line
            for name in names
            for line in range(chosen[name].lineno, chosen[name].end_lineno + 1)
        }
    return len(lines - docstrings)


def files_longer_than(limit: int, package: Path) -> dict[str, int]:
    """Map each module with more lines than the limit to its number of lines."""
    files = modules_of(package)
    counts = {name: len(files[name].read_text(encoding="utf-8").splitlines()) for name in files}
    return {name: count for name, count in counts.items() if count > limit}


def top_modules(package: Path) -> list[str]:
    """Return the modules at the top of the package beside ``__init__`` and ``__main__``."""
    return [name for name in modules_of(package) if part_of(name) == "textbook"]


def test_the_core_can_be_read_in_an_evening() -> None:
    counts = {module: lines_of_code_and_comments(PACKAGE / f"{module}.py") for module in CORE}
    counts["layer_protocol"] = lines_of_code_and_comments(PACKAGE / "layer_protocol.py", PROTOCOL)
    assert sum(counts.values()) < CORE_LIMIT, (sum(counts.values()), counts)


def test_the_counter_counts_code_and_comments_alone(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '"""A module.\n\nOf two lines.\n"""\n\nx = (\n    1\n)\n# why\n\n\n'
        'def f():\n    """F."""\n\n\nclass A:\n    """A."""\n\n    # why\n    b = 1\n'
    )
    assert lines_of_code_and_comments(path) == 8
    assert lines_of_code_and_comments(path, ("A",)) == 3
    assert lines_of_code_and_comments(path, ("A", "f")) == 4
    with pytest.raises(KeyError):
        lines_of_code_and_comments(path, ("gone",))


def test_no_file_is_longer_than_400_lines() -> None:
    assert files_longer_than(FILE_LIMIT, PACKAGE) == {}


def test_a_file_of_401_lines_is_found(tmp_path: Path) -> None:
    files = {"layers.py": "x = 1\n" * 400, "data/idx.py": "x = 1\n" * 401}
    package = write_package(tmp_path, files)
    assert files_longer_than(FILE_LIMIT, package) == {"data.idx": 401}


def test_at_most_14_modules_are_at_the_top() -> None:
    assert len(top_modules(PACKAGE)) <= TOP_LIMIT, top_modules(PACKAGE)


def test_modules_at_the_top_are_counted_without_packages_and_entry_points(tmp_path: Path) -> None:
    files = ["layers.py", "new.py", "__main__.py", "data/__init__.py", "data/idx.py", "data/new.py"]
    package = write_package(tmp_path, dict.fromkeys(files, ""))
    assert top_modules(package) == ["layers", "new"]


# ---- what `import numpymlp` brings along ----


def foreign_modules(folder: Path) -> set[str]:
    """Return what importing the package in a fresh process loads beside NumPy and the library."""
    code = (
        "import sys, numpy.random; before = set(sys.modules); import numpymlp\n"
        "from numpymlp import *  # names are imported at their first use\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(numpymlp.__file__, *new - sys.stdlib_module_names - {'numpy', 'numpymlp'})"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=environment,
    )
    file, *names = result.stdout.split()
    assert Path(file).parent == folder / "numpymlp"
    return set(names)


def test_import_numpymlp_imports_numpy_and_the_standard_library_alone() -> None:
    assert foreign_modules(ROOT) == set()


# What Windows or macOS lacks; other packages are imported before it is taken away.
OTHER_SYSTEM = """
import importlib, os, pathlib, pkgutil, signal, sys
import matplotlib.figure, numpy.random, PIL.Image, threadpoolctl, tqdm.auto, multiprocessing
import multiprocessing.sharedctypes, multiprocessing.shared_memory, multiprocessing.spawn
import subprocess, tempfile, shutil, onnx
import sklearn.model_selection, sklearn.neural_network, sklearn.experimental
system = sys.argv[1]
for name in ("sched_getaffinity", "sched_setaffinity", "posix_fadvise"):
    vars(os).pop(name, None)
if system == "win32":
    for name in ("fork", "getloadavg", "getuid", "geteuid", "register_at_fork", "O_NONBLOCK"):
        vars(os).pop(name, None)
    for name in ("fcntl", "resource", "pwd", "grp", "termios"):
        sys.modules[name] = None  # importing it fails
    names = ("SIGHUP", "SIGKILL", "SIGUSR1", "SIGALRM", "SIGXFSZ")
    for name in names:
        vars(signal).pop(name, None)
sys.platform = system
import numpymlp
for module in pkgutil.walk_packages(numpymlp.__path__, "numpymlp."):
    if module.name != "numpymlp.__main__":
        importlib.import_module(module.name)
importlib.import_module("numpymlp.__main__").build_parser()
"""


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_every_module_is_imported_without_what_another_system_lacks(system: str) -> None:
    subprocess.run([sys.executable, "-c", OTHER_SYSTEM, system], check=True, cwd=ROOT)


@pytest.mark.parametrize("name", ["matplotlib", "tqdm", "sklearn", "scipy"])
def test_an_import_of_another_package_is_found(name: str, tmp_path: Path) -> None:
    files = {"__init__.py": "from numpymlp import layers", "layers.py": f"import json, {name}"}
    write_package(tmp_path, files)
    (tmp_path / f"{name}.py").touch()  # stands for the real one, which takes time
    assert foreign_modules(tmp_path) == {name}


# ---- tests mirror the package ----


def modules_without_mirror(package: Path, tests: Path) -> list[str]:
    """Return the modules without a tests file of their name in the mirrored folder."""
    missing = []
    for name, path in modules_of(package).items():
        *folders, module = name.split(".")
        mirrored = tests.joinpath(*folders, f"test_{module}.py")
        if path.name not in ("__init__.py", "__main__.py") and not mirrored.is_file():
            missing.append(name)
    return missing


def modules_without_tests(package: Path, tests: Path) -> list[str]:
    """Return the modules that have neither a mirrored tests file nor a listed one."""
    missing = []
    for name in modules_without_mirror(package, tests):
        covered = COVERED_BY.get(name) or COVERED_FOLDERS.get(name.rpartition(".")[0])
        if covered is None or not (tests / covered[0]).is_file():
            missing.append(name)
    return missing


def test_every_module_has_a_tests_file_of_its_name_or_a_listed_one() -> None:
    assert modules_without_tests(PACKAGE, TESTS) == []


def test_a_module_without_tests_is_found(tmp_path: Path) -> None:
    names = ["layers", "data/idx", "data/splits", "sklearn/base", "plots/units"]
    package = write_package(tmp_path, {f"{name}.py": "" for name in ["__main__", *names]})
    tests = tmp_path / "tests"
    (tests / "data").mkdir(parents=True)
    (tests / "plots").mkdir()
    (tests / "sklearn").mkdir()
    for name in ("data/test_layers.py", "test_idx.py", "data/test_splits.py"):
        (tests / name).touch()  # the first two lie in the wrong folder
    missing = ["data.idx", "layers", "plots.units", "sklearn.base"]
    assert modules_without_tests(package, tests) == missing
    for name in ("plots/test_explain.py", "sklearn/test_estimators.py", "test_layers.py"):
        (tests / name).touch()  # the first two are listed, the third is a mirror
    assert modules_without_tests(package, tests) == ["data.idx"]


def test_every_listed_exception_is_needed() -> None:
    missing = modules_without_mirror(PACKAGE, TESTS)
    assert set(COVERED_BY) <= set(missing)
    assert set(COVERED_FOLDERS) <= {name.rpartition(".")[0] for name in missing}


# ---- names and files ----


def test_every_public_name_exists_and_has_a_docstring() -> None:
    for name in numpymlp.__all__:
        assert getattr(numpymlp, name).__doc__, name


def test_every_public_name_has_one_module_for_type_checkers_and_at_run_time() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    for_types = {
        alias.name: node.module.removeprefix("numpymlp.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("numpymlp.")
        for alias in node.names
    }
    assert for_types == numpymlp._MODULE_OF
    assert sorted(for_types) == sorted(numpymlp.__all__)
    for name, module in for_types.items():
        value = getattr(numpymlp, name)
        assert value is getattr(importlib.import_module(f"numpymlp.{module}"), name)


def test_modules_and_names_are_found_before_they_are_imported() -> None:
    code = (
        "import sys, numpymlp\n"
        "loaded = [name for name in sys.modules if name.startswith('numpymlp.')]\n"
        "assert not loaded, loaded\n"
        "assert {'Dense', 'layers', 'training', '__version__'} <= set(dir(numpymlp))\n"
        "assert numpymlp.layers.Dense is numpymlp.Dense\n"
        "assert not hasattr(numpymlp, 'Danse')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_source_archive_leaves_out_nothing_that_the_tests_need() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "sdist" not in settings["tool"]["hatch"]["build"]["targets"]  # all files of the clone
    assert {"tests/test_house.py", "tutorials/build.py"} <= set(listed.splitlines())


def test_pre_commit_runs_the_lint_and_the_types_of_ci() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in (
        "ruff check",
        "ruff format --check",
        "mypy",
        "python tutorials/build.py --check",
    ):
        assert f"entry: {command}\n" in hooks
        assert f".venv/bin/{command}" in script


def test_workflows_cover_each_system_and_python() -> None:
    tests = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert "os: [ubuntu-latest, macos-latest, windows-latest]" in tests
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in tests
    assert "run: bash .ci/run" in tests


def test_workflows_have_limits_on_time_and_permissions() -> None:
    paths = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert [path.stem for path in paths] == ["release", "site", "tests"]
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert "\npermissions:\n  contents: read\n" in text  # a job may ask for more
        jobs = re.findall(r"^  \w+:\n(?:    .*\n)+", text.partition("\njobs:\n")[2], re.MULTILINE)
        assert len(jobs) == text.count("runs-on: ")
        assert all("    timeout-minutes: " in job for job in jobs), path.name
        assert all(re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", action)
                   for action in re.findall(r"uses: (\S+)", text))  # fmt: skip


def test_the_site_is_built_for_publication_as_in_the_tests() -> None:
    site = (ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8")
    assert 'run: python -m pip install --quiet -e ".[site]"\n' in site
    assert "run: python tutorials/build.py --site site\n" in site
    assert "path: site\n" in site
    assert "tests/test_site.py" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_repository_has_few_entries_at_its_top() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert "numpymlp" in top
    visible = {name for name in top if not name.startswith(".")}
    assert visible <= {"pyproject.toml", "README.md", "LICENSE", "numpymlp", "tests", "tutorials"}
