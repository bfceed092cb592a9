"""Write the tables of the benchmark into the pages that show them, for every machine.

    python tutorials/results/benchmark/tables.py

A folder beside this file, such as `avx512`, holds what `numpymlp benchmark --output FOLDER`
measured on one machine. Its tables replace those between ``<!-- speed avx512 -->`` and its end in
the README, and ``<!-- ratios avx512 -->`` in the README of this folder.
"""

import re
from pathlib import Path
from typing import Any

from numpymlp.benchmark import report
from numpymlp.storage.reading import read_json

HERE = Path(__file__).resolve().parent
README = HERE.parents[2] / "README.md"
SHOWN = {"numpymlp": "numpymlp", "sklearn32": "scikit-learn", "torch": "PyTorch", "jax": "JAX"}
RATIOS = (
    ("sklearn32", "scikit-learn, float32", "numpymlp", 1),
    ("sklearn", "scikit-learn, float64", "numpymlp64", 1),
    ("sklearn", "scikit-learn, float64", "numpymlp", 1),
    ("torch", "PyTorch, float32", "numpymlp", 2),
    ("jax", "JAX, float32, once compiled", "numpymlp", 2),
)


def speed(results: dict[str, Any]) -> str:
    """Return the median seconds of an epoch, by network and library."""
    rows = [
        [
            report.network_of(row),
            *(f"{report.median_of(row['peers'][peer], 'seconds'):.2f}" for peer in SHOWN),
        ]
        for row in results["epochs"]
    ]
    return report.table(["network", *SHOWN.values()], rows)


def ratios(results: dict[str, Any]) -> str:
    """Return how many times as long the libraries take, in the geometric mean."""
    lines = ["| library | compared with | times as long |", "|---|---|---:|"]
    for peer, name, ours, digits in RATIOS:
        times = f"{report.ratio(results, peer, ours):.{digits}f}"
        lines.append(f"| {name} | {report.NAMES[ours]} | {times} |")
    return "\n".join(lines)


def replace(page: Path, name: str, table: str) -> None:
    """Replace the part of a page that is marked with this name."""
    text = page.read_text(encoding="utf-8")
    part = f"(<!-- {name} -->\n\n).*?(\n\n<!-- end of {name} -->)"
    new, count = re.subn(part, lambda m: m[1] + table + m[2], text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{page}: expected one place between <!-- {name} --> and its end")
    page.write_text(new, encoding="utf-8")


def main() -> None:
    for file in sorted(HERE.glob("*/benchmark.json")):
        results, machine = read_json(file, "a benchmark", {}), file.parent.name
        file.with_suffix(".md").write_text(report.markdown(results), encoding="utf-8")
        replace(README, f"speed {machine}", speed(results))
        replace(HERE / "README.md", f"ratios {machine}", ratios(results))


if __name__ == "__main__":
    main()
