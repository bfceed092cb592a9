"""Build the course: run each tutorial and save it with its results as a notebook.

    python tutorials/build.py             build all
    python tutorials/build.py 03 04       build these
    python tutorials/build.py --check     write nothing; fail if a cell fails, or if the cells of a
                                          notebook and of its script differ
    python tutorials/build.py --site DIR  write the course and the reference as web pages

The scripts are the source: Python files in percent format (`# %%` begins a cell). A notebook has
the same cells with their output and pictures, so that a reader sees them without running anything.
The picture of the cell tagged "main" becomes the tutorial's thumbnail, `results/course/NN.png`.
A notebook shows the code of a cell tagged "hide-input", and the output of one tagged "hide-output",
only after a click.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbformat import NotebookNode
    from PIL import Image
except ModuleNotFoundError as error:
    extra = "site" if "--site" in sys.argv else "tutorials"
    raise SystemExit(f"build.py needs {error.name}: pip install -e '.[{extra}]'") from None

FOLDER = Path(__file__).resolve().parent
THUMBNAIL_WIDTH = 240
MAIN = "main"
# Tags as Jupyter Book knows them, and the metadata by which JupyterLab does the same.
HIDDEN = {"hide-input": "source_hidden", "hide-output": "outputs_hidden"}
PACKAGE = FOLDER.parent / "numpymlp"
UNDOCUMENTED = {"__main__", "benchmark", "commands", "experiments", "page"}  # not in the reference


def scripts(folder: Path, numbers: list[str] | None = None) -> list[Path]:
    """Return the tutorials, `NN_name.py`, in order; with numbers, only these."""
    found = sorted(folder.glob("[0-9][0-9]_*.py"))
    chosen = [path for path in found if not numbers or path.name[:2] in numbers]
    missing = set(numbers or []) - {path.name[:2] for path in chosen}
    if missing or not chosen:
        there = ", ".join(path.name[:2] for path in found) or "none"
        raise SystemExit(
            f"build.py expected tutorials of {folder}, got {numbers}: choose from {there}"
        )
    return chosen


def to_notebook(script: Path) -> NotebookNode:
    """Read a script as a notebook that has not been run."""
    notebook = jupytext.reads(script.read_text(encoding="utf-8"), fmt="py:percent")
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    for number, cell in enumerate(notebook.cells):
        # jupytext draws random ids, which would change with every build.
        cell.id = f"cell-{number:02d}"
        tags = cell.metadata.get("tags", [])
        hidden = {HIDDEN[tag]: True for tag in tags if tag in HIDDEN}
        metadata = {"tags": tags, "jupyter": hidden}
        cell.metadata = nbformat.from_dict({k: v for k, v in metadata.items() if v})
    return notebook


def run(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells in a new kernel with working directory `folder`; store their outputs."""
    metadata = notebook.metadata.copy()
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    # Use the package of this checkout, whether it is installed or not.
    paths = [str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    # These networks are small: on a busy machine, BLAS threads mostly wait for each other, and the
    # number of threads can change the last digits.
    environment |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # With another backend, the notebook would have no pictures.
    environment.pop("MPLBACKEND", None)
    client.execute(env=environment)
    notebook.metadata = metadata  # without the version of the Python that ran it
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _encode(_small(_decode(output.data["image/png"])))
                output.metadata = NotebookNode()


def picture(notebook: NotebookNode) -> bytes | None:
    """Return the last picture of the cell tagged "main" as a small PNG file."""
    for cell in notebook.cells:
        if MAIN in cell.metadata.get("tags", []):
            pngs = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
            if pngs:
                image = Image.open(io.BytesIO(_decode(pngs[-1]))).convert("RGB")
                height = round(image.height * THUMBNAIL_WIDTH / image.width)
                buffer = io.BytesIO()
                image.resize((THUMBNAIL_WIDTH, height), Image.Resampling.LANCZOS).save(
                    buffer, "PNG"
                )
                return _small(buffer.getvalue())
    return None


def differing_cell(script: Path) -> str:
    """Return where the cells of notebook and script differ; "" if they agree."""
    path = script.with_suffix(".ipynb")
    if not path.exists():
        return f"{path.name} is missing"
    expected, saved = to_notebook(script).cells, nbformat.read(path, as_version=4).cells
    for number, (ours, theirs) in enumerate(zip(expected, saved, strict=False)):
        if any(ours[part] != theirs[part] for part in ("cell_type", "source", "metadata")):
            return f"{path.name}: cell {number} differs from that of {script.name}"
    if len(expected) != len(saved):
        return f"{path.name}: expected {len(expected)} cells as in {script.name}, got {len(saved)}"
    return ""


def printed(notebook: NotebookNode) -> list[str]:
    """Return the printed output of each cell."""
    return [
        "".join(output.get("text", "") for output in cell.get("outputs", []))
        for cell in notebook.cells
    ]


def _decode(png: str) -> bytes:
    return base64.b64decode(png)


def _encode(png: bytes) -> str:
    return base64.b64encode(png).decode()


def _small(png: bytes) -> bytes:
    """Return a picture with a palette, a third of the bytes, or as it was if that is smaller."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    buffer = io.BytesIO()
    few = opaque.quantize(256, Image.Quantize.MEDIANCUT, kmeans=5, dither=Image.Dither.NONE)
    few.save(buffer, "PNG", optimize=True)
    return min(buffer.getvalue(), png, key=len)


def build(script: Path, check: bool) -> list[str]:
    """Build one tutorial, or only check it; return its problems."""
    path, notebook = script.with_suffix(".ipynb"), to_notebook(script)
    difference = differing_cell(script) if check else ""
    if difference:
        return [f"{difference}: run python tutorials/build.py {script.name[:2]}"]
    try:
        run(notebook, script.parent)
    except CellExecutionError as error:
        # The kernel colours its traceback for a terminal.
        return [f"{script.name}: a cell fails\n" + re.sub(r"\x1b\[[0-9;]*m", "", str(error))]
    if check:
        if printed(notebook) != printed(nbformat.read(path, as_version=4)):
            # No problem: the last digits may depend on the machine, and times always do.
            print(f"   note: the output of {script.name} differs from its notebook")
        return []
    nbformat.write(notebook, path)
    thumbnail = picture(notebook)
    if thumbnail is not None:
        target = script.parent / "results" / "course" / f"{script.name[:2]}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(thumbnail)
    return []


def reference(folder: Path) -> None:
    """Write a page for each module at the top of the package, and one for each sub-package."""
    folder.mkdir()
    for part in pkgutil.iter_modules([str(PACKAGE)]):
        if part.name in UNDOCUMENTED:
            continue
        inner = pkgutil.iter_modules([str(PACKAGE / part.name)]) if part.ispkg else []
        name = f"numpymlp.{part.name}"
        lines = [name, "=" * len(name), "", f".. automodule:: {name}"]
        if not part.ispkg:
            lines.append("   :members:")
        for module in (f"{name}.{found.name}" for found in inner):
            lines += ["", module, "-" * len(module), "", f".. automodule:: {module}"]
            lines.append("   :members:")
        (folder / f"{part.name}.rst").write_text("\n".join(lines) + "\n", encoding="utf-8")


def site(target: Path) -> int:
    """Write the course, its documents and the reference as web pages; return 0 if all is well."""
    try:
        import furo  # noqa: F401
        import latex2mathml  # noqa: F401
        import myst_nb  # noqa: F401
        from sphinx.cmd.build import build_main
    except ModuleNotFoundError as error:
        raise SystemExit(f"build.py --site needs {error.name}: pip install -e '.[site]'") from None
    with tempfile.TemporaryDirectory() as temporary:
        source, run = Path(temporary, "tutorials"), Path(temporary, "two-epochs")
        shutil.copytree(FOLDER, source, ignore=shutil.ignore_patterns("site", "__pycache__"))
        shutil.copytree(FOLDER / "site", source, dirs_exist_ok=True)
        # Links to the package's files lead there from the course.
        ignored = shutil.ignore_patterns("mnist", "__pycache__")
        shutil.copytree(PACKAGE, Path(temporary, "numpymlp"), ignore=ignored)
        reference(source / "api")
        sys.path.insert(0, str(PACKAGE.parent))
        options = ["-W", "--keep-going", "-q", "-j", "auto", "-d", f"{temporary}/doctrees"]
        status = build_main([*options, str(source), str(target)])
        for command in (
            ["train", "--epochs", "2", "--output", str(run)],
            ["page", str(run), "--output", str(target / "digits.html")],
        ):
            done = subprocess.run(
                [sys.executable, "-m", "numpymlp", *command],
                cwd=PACKAGE.parent, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return 1
    return status


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the tutorials and build their notebooks.")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="which tutorials; all by default")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a cell fails or differs"
    )
    parser.add_argument("--site", type=Path, metavar="DIR", help="write web pages into DIR")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the scripts")
    chosen = parser.parse_args(arguments)
    if chosen.site is not None:
        return site(chosen.site.resolve())
    problems: list[str] = []
    began = time.perf_counter()
    for script in scripts(chosen.folder, chosen.numbers):
        start = time.perf_counter()
        found = build(script, chosen.check)
        print(
            f"{script.name:32} {'FAILED' if found else 'ok':8}{time.perf_counter() - start:5.1f} s"
        )
        problems += found
    print(f"{'all':32} {'FAILED' if problems else 'ok':8}{time.perf_counter() - began:5.1f} s")
    for problem in problems:
        print(f"\n{problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
