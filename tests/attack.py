"""Attack a reader with many damaged files, and count what it did with them.

The hundred thousand of each kind, with their counts printed: pytest -m slow -s -k hundred_thousand
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from numpymlp.validation import InputError

MEMORY = 64 * 2**20  # more than small files may take, as .github/SECURITY.md says it
_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def snapshot(folder: Path) -> dict[Path, object]:
    """Every file, folder and link under a folder, with what it holds."""
    return {
        path: os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def resident_peak() -> int:
    """Largest resident memory of this process since `reset_peak`, in bytes; 0 outside Linux."""
    if not _STATUS.exists():
        return 0
    lines = _STATUS.read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def reset_peak() -> int:
    """Begin to measure the peak anew, and return it."""
    if _RESET.exists():
        _RESET.write_text("5")
    return resident_peak()


def one_short_line(message: str) -> None:
    """Fail unless a message is fit for a terminal."""
    assert message.isprintable()
    assert len(message) < 1100


def attack(
    kind: str,
    path: Path,
    mutants: Iterable[bytes],
    read: Callable[[], object],
    memory: int = MEMORY,
) -> tuple[int, int]:
    """Write each of the damaged files to `path` and read it; return how many, and the accepted.

    Fails unless each is accepted, or refused in an InputError of one line that names the file;
    within one second of processor time, and without a change to anything beside it; and if all
    together raise the peak of this process by `memory` bytes.
    """

    def refused() -> bool:
        try:
            read()
        except InputError as error:
            message = str(error)
        else:
            return False
        assert str(path) in message
        one_short_line(message)
        return True

    count, accepted, slowest = 0, 0, 0.0
    surroundings = path.parent.parent
    path.unlink(missing_ok=True)
    before, least = snapshot(surroundings), reset_peak()
    for content in mutants:
        path.write_bytes(content)
        began = time.perf_counter()
        accepted += not refused()
        took = time.perf_counter() - began
        if took > 0.1:  # perhaps the machine was busy: again, in time of this process
            began = time.process_time()
            refused()
            took = time.process_time() - began
        slowest = max(slowest, took)
        assert took < 1, content
        count += 1
    peak = resident_peak() - least
    path.unlink()
    assert snapshot(surroundings) == before
    print(
        f"\n{kind}: {count:,} mutants, {count - accepted:,} refused, {accepted:,} accepted, "
        f"slowest {1000 * slowest:.0f} ms, peak memory +{peak / 2**20:.1f} MiB, nothing beside it "
        f"changed"
    )
    assert peak < memory
    return count, accepted
