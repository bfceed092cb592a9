"""What a gradient check found, and how it is printed.

`gradient_check.py` makes these reports; if you come from there, go on with `optimizers.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Comparison(NamedTuple):
    """One slope by backpropagation (`analytic`) and by finite difference (`numeric`)."""

    where: str
    analytic: float
    numeric: float
    error: float


@dataclass(frozen=True)
class Row:
    """What the check found out about one array, or about a direction through all of them.

    Attributes
    ----------
    name : str
        "0.W" is W of the first layer, "x" the input.
    shape : tuple of int
    compared, crossed : int
        Slopes that were compared, and that were left out because each step crossed a kink.
    error : float
        The largest error; infinite if nothing was compared.
    norm_error : float
        ||backprop - difference|| / ||difference|| over all slopes together; NaN where they are
        below a thousandth of the largest in the whole check, and so are mostly rounding.
    worst : Comparison or None
        The slope with the largest error.
    passed : bool
    """

    name: str
    shape: tuple[int, ...]
    compared: int
    crossed: int
    error: float
    norm_error: float
    worst: Comparison | None
    passed: bool

    @classmethod
    def of(
        cls,
        name: str,
        shape: tuple[int, ...],
        found: Sequence[Comparison | None],
        floor: float,
        limit: float,
    ) -> Row:
        """Sum up comparisons; None stands for one that crossed a kink."""
        comparisons = [comparison for comparison in found if comparison is not None]
        crossed = len(found) - len(comparisons)
        if not comparisons:
            return cls(name, shape, 0, crossed, math.inf, math.nan, None, False)
        worst = max(comparisons, key=lambda comparison: comparison.error)
        analytic = np.array([comparison.analytic for comparison in comparisons])
        numeric = np.array([comparison.numeric for comparison in comparisons])
        norm = float(np.linalg.norm(numeric))
        norm_error = float(np.linalg.norm(analytic - numeric)) / norm if norm > floor else math.nan
        passed = worst.error <= limit
        return cls(name, shape, len(comparisons), crossed, worst.error, norm_error, worst, passed)

    def complaint(self) -> str:
        """Say in one line what is wrong."""
        if self.worst is None:
            return (
                f"{self.name}: every step crossed a kink, so nothing was compared: move the point, "
                f"for example by small random biases"
            )
        where, analytic, numeric, _ = self.worst
        return f"{where}: backprop gives {analytic:.9g}, the finite difference {numeric:.9g}"


@dataclass(frozen=True)
class GradientReport:
    """The result of a gradient check; printed, it is a table.

    Attributes
    ----------
    rows : list of Row
    limit : float
        What an error may be.
    dead : int
        Units of layers with a kink that put out 0 for the whole batch: no gradient flows through
        them, so they hide faults.
    """

    rows: list[Row]
    limit: float
    dead: int

    @property
    def passed(self) -> bool:
        """Whether something was compared everywhere, and agreed."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def max_error(self) -> float:
        """The largest error of all rows; infinite if one of them compared nothing."""
        return max((row.error for row in self.rows), default=math.inf)

    def __str__(self) -> str:
        cells = [("parameter", "shape", "compared", "at kinks", "error", "norm-wise", "")]
        for row in self.rows:
            norm_wise = "-" if math.isnan(row.norm_error) else f"{row.norm_error:.1e}"
            counts = f"{row.compared:,}", f"{row.crossed:,}"
            verdict = "ok" if row.passed else "WRONG" if row.compared else "NOT COMPARED"
            cells.append(
                (row.name, str(row.shape), *counts, f"{row.error:.1e}", norm_wise, verdict)
            )
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = []
        for line in cells:
            name, shape, *numbers, verdict = map(str.ljust, line, widths)
            right = [number.strip().rjust(len(number)) for number in numbers]
            lines.append("  ".join([name, shape, *right, verdict]).rstrip())
        lines += [row.complaint() for row in self.rows if not row.passed]
        verdict = "passed" if self.passed else "FAILED"
        units = "unit is" if self.dead == 1 else "units are"
        dead = f"; {self.dead:,} {units} 0 for the whole batch (dead)" if self.dead else ""
        lines.append(f"{verdict}: largest error {self.max_error:.1e}, limit {self.limit:.0e}{dead}")
        return "\n".join(lines)
