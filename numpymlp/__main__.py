"""The command line: `numpymlp train`, `evaluate`, `predict`, and the other modules of `commands`.

Each module has two functions: `options` adds the options of the command to a parser, `run` carries
the command out. The first line of the module's docstring is the help text. A wrong option or file
is reported in one line on standard error, with exit status 2.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpymlp import __version__
from numpymlp.commands import (
    benchmark,
    check,
    evaluate,
    explain,
    export,
    ladder,
    page,
    predict,
    recipes,
    search,
    train,
)
from numpymlp.commands.options import Parser, settings_as_options
from numpymlp.experiments.threads import blas_limited_to, choose_threads
from numpymlp.storage.files import StorageError, shown
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.interrupts import WorkerLost
from numpymlp.validation import InputError

COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "page": page,
    "export": export,
    "check": check,
    "explain": explain,
    "recipes": recipes,
    "ladder": ladder,
    "search": search,
    "benchmark": benchmark,
}


class Command(NamedTuple):
    """A command of `COMMANDS`, with its parser, and the option of each of its settings."""

    module: Any
    names: Mapping[str, str]
    parser: Parser

    def __call__(self, options: argparse.Namespace) -> None:
        """Run the command; its errors name its options instead of the arguments of functions.

        BLAS computes in one thread unless the command, or an environment variable, decides
        otherwise.
        """
        for name, value in vars(options).items():
            if value == "":
                text = self.names.get(name, name)
                raise InputError(f"{text}: expected a name, got an empty text")
        with settings_as_options(self.names), blas_limited_to(choose_threads().number):
            self.module.run(options)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(prog="numpymlp", description="A multi-layer perceptron in pure NumPy.")
    parser.add_argument("--version", action="version", version=f"numpymlp {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        text = (module.__doc__ or "").splitlines()[0]
        module.options(command := commands.add_parser(name, help=text, description=text))
        # Not output, which in a message is what a network's last layer means.
        names = {name: text for name, text in command.options().items() if name != "output"}
        command.set_defaults(function=Command(module, names, command))
    return parser


def _open_streams() -> None:
    """Replace the streams that the process lacks, as under pythonw or after ``>&-``."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Send to nowhere what Python would still write to standard output at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments after ``numpymlp``; those of this process if None.

    Returns
    -------
    int
        0 for success; 1 if training diverged; 2 for a wrong option or file, and for errors of the
        system, such as a full disk; 128 plus the number of a signal: 130 for Ctrl-C, 143 for
        SIGTERM, 141 if the reader of the output closed the pipe. `check` and `benchmark` raise
        ``SystemExit(1)`` if the results they compare differ, `predict` if a picture got no answer.
    """
    _open_streams()
    parser = build_parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    options, unknown = parser.parse_known_args(words or ["--help"])
    if unknown:
        options.function.parser.refuse_unknown(unknown)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for characters that the terminal lacks
    try:
        # Numbers that are too large end in an explained error; NumPy's warnings would add nothing.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            options.function(options)
        sys.stdout.flush()
    except (InputError, StorageError, TrainingDiverged, WorkerLost) as error:
        _report(_in_one_line(str(error), options))
        return 1 if isinstance(error, TrainingDiverged) else 2
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and _pipe_closed(error):
            _drop_output()
            return 128 + 13
        what = "not enough memory" if isinstance(error, MemoryError) else "the system refused"
        _report(f"{what}: {error}")
        _drop_output()  # the disk that it is written to may be full
        return 2
    except KeyboardInterrupt as error:
        _report(str(error) or "interrupted")
        return 128 + int(getattr(error, "number", signal.SIGINT))
    return 0


def _in_one_line(message: str, options: argparse.Namespace) -> str:
    """Return a message in which the names that were typed have no line breaks."""
    for value in vars(options).values():
        if isinstance(value, str) and not value.isprintable():
            message = message.replace(value, shown(value))
    return message


def _report(message: str) -> None:
    """Print an error; no name in it, from whatever file, reaches the terminal raw or fills it."""
    lines = (shown(line, longest=1000) for line in message.split("\n"))
    with contextlib.suppress(OSError, ValueError):  # standard error may be closed or full
        print("numpymlp: " + "\n".join(lines), file=sys.stderr, flush=True)


def _pipe_closed(error: OSError) -> bool:
    """Return whether the reader of the output, such as `head`, has closed the pipe."""
    windows = sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None
    return windows or isinstance(error, BrokenPipeError)


if __name__ == "__main__":
    sys.exit(main())
