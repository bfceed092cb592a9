import contextlib
import errno
import json
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from numpymlp.storage import files
from numpymlp.storage.archive import write_archive
from numpymlp.storage.files import (
    RunLock,
    StorageError,
    atomic_write,
    cell,
    csv_text,
    remove_leftovers,
    shown,
    write_json,
)
from numpymlp.validation import InputError

ROOT = Path(__file__).parents[2]


def start(code: str, *arguments: object, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        **options,
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- whole or not at all ----


def test_a_file_appears_when_it_is_whole_and_not_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"previous")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"previous"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, FileNotFoundError])
def test_an_error_while_writing_leaves_the_previous_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_bytes(b"previous")

    def write_half():
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_bytes() == b"previous"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_of_the_disk_leaves_the_previous_file(tmp_path, monkeypatch, call):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "a.txt"
    path.write_bytes(b"previous")
    monkeypatch.setattr(os, call, broken)
    with (
        pytest.raises(
            StorageError, match=r"a.txt could not be written: Input.*previous file is un"
        ),
        atomic_write(path) as file,
    ):
        file.write(b"new")
    assert path.read_bytes() == b"previous"
    assert names(tmp_path) == ["a.txt"]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append((f"sync {kind}", os.fstat(descriptor).st_size if kind == "file" else None))
        fsync(descriptor)

    def record_replace(source, target):
        calls.append(("rename", os.path.dirname(source) == os.path.dirname(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    with atomic_write(tmp_path / "a.txt") as file:
        file.write(b"12345")
    assert calls == [("sync file", 5), ("rename", True), ("sync folder", None)]


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


def test_a_file_that_others_may_not_read_stays_so(tmp_path):
    write_json(tmp_path / "a.json", {})
    (tmp_path / "a.json").chmod(0o600)
    write_json(tmp_path / "a.json", {"new": 1})
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_is_replaced_and_its_target_left_alone(tmp_path, exists):
    target = tmp_path / "elsewhere"
    if exists:
        target.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(target)
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"new"
    assert target.read_bytes() == b"precious" if exists else not target.exists()


def test_a_linked_folder_above_a_file_is_the_users_own_and_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to("disk")
    write_json(tmp_path / "runs" / "a.json", {})
    assert names(tmp_path / "disk") == ["a.json"]


@pytest.mark.parametrize("without", [None, "O_NOFOLLOW"])
def test_a_lock_that_is_a_link_creates_nothing_elsewhere(tmp_path, monkeypatch, without):
    if without:  # as on Windows
        monkeypatch.delattr(os, without)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "elsewhere")
    with RunLock(tmp_path / "run"):
        pass
    assert names(tmp_path) == ["run"]
    assert not (tmp_path / "run" / ".lock").is_symlink()


def test_a_junction_of_windows_is_removed_like_a_link(tmp_path, monkeypatch):
    """By simulation: elsewhere nothing has such a tag."""
    junction, folder = tmp_path / "junction", tmp_path / "folder"
    for path in (junction, folder):
        path.touch()
    tags = {junction: files.JUNCTION, folder: 0}
    monkeypatch.setattr(
        files.os, "lstat", lambda path: SimpleNamespace(st_reparse_tag=tags[path], st_mode=0)
    )
    for path in (junction, folder):
        files.remove_link(path)
    assert names(tmp_path) == ["folder"]


def test_leftovers_are_removed_beside_a_link_not_beside_its_target(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/a.txt")
    token = "0" * 12
    for place in (tmp_path, tmp_path / "real"):
        for name in ("link", "a.txt"):
            (place / f".{name}.{token}.tmp").touch()
    remove_leftovers(tmp_path / "link")
    assert names(tmp_path) == [f".a.txt.{token}.tmp", "link", "real"]
    assert len(names(tmp_path / "real")) == 2


def test_the_temporary_file_is_never_readable_by_more_than_the_file(tmp_path):
    path = tmp_path / "a.txt"
    path.touch(0o600)
    with atomic_write(path):
        (temporary,) = tmp_path.glob(".a.txt.*.tmp")
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600


# ---- other systems, by simulation ----


def error_of_windows(code):
    error = PermissionError(errno.EACCES, "Access is denied")
    error.winerror = code
    return error


@pytest.mark.parametrize("code", [5, 32])
def test_a_file_that_a_scanner_holds_is_renamed_when_it_lets_go(tmp_path, monkeypatch, code):
    faults, replace = [error_of_windows(code)] * 2, os.replace

    def held(*names):
        if faults:
            raise faults.pop()
        replace(*names)

    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    write_json(tmp_path / "a.json", {})
    assert names(tmp_path) == ["a.json"]


def test_a_file_that_stays_held_is_an_error_after_three_seconds(tmp_path, monkeypatch):
    def held(*_):
        raise error_of_windows(32)

    waited = []
    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(StorageError, match=r"a.json could not be written: .* no file was created"):
        write_json(tmp_path / "a.json", {})
    assert sum(waited) == pytest.approx(3.1)
    assert names(tmp_path) == []


def test_without_fcntl_a_lock_waits_as_long_as_it_is_asked_to(tmp_path, monkeypatch):
    held = [errno.EACCES] * 300  # half a minute, where LK_LOCK gives up after ten seconds

    def locking(descriptor, mode, count):
        assert (mode, count) == (msvcrt.LK_NBLCK, 1)
        if held:
            raise OSError(held.pop(), "Permission denied")

    msvcrt = SimpleNamespace(locking=locking, LK_NBLCK=2)
    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(InputError, match="is in use by another process"), RunLock(tmp_path):
        pass
    with RunLock(tmp_path, wait=True):
        assert held == []


@pytest.mark.parametrize("refused", [False, True])
def test_on_macos_the_drive_is_told_to_write_too(tmp_path, monkeypatch, refused):
    calls = []

    def fcntl_of_macos(descriptor, command):
        calls.append(command)
        if refused:
            raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(files, "fcntl", SimpleNamespace(F_FULLFSYNC=51, fcntl=fcntl_of_macos))
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append("fsync"))
    write_json(tmp_path / "a.json", {})
    assert calls == [51, "fsync"] * 2 if refused else [51] * 2


# ---- text from files, and limits ----


def test_text_from_a_file_is_shown_on_one_short_line_without_control_characters():
    assert shown("Größe 日本") == "Größe 日本"
    assert shown("a\n\x1b[2J\u202e\udcff") == "a\\n\\x1b[2J\\u202e\\udcff"
    assert shown("x" * 50_000) == "x" * 197 + "..."
    assert len(shown("\n" * 300)) == 200
    for text in ("\n" * 300, "x" * 200, "x" * 201):
        assert shown(shown(text)) == shown(text)


def test_what_could_not_be_read_back_is_not_written(tmp_path):
    with pytest.raises(InputError, match="expected at most 1,048,576 bytes, got 1,048,579"):
        write_json(tmp_path / "a.json", "x" * 2**20)
    assert names(tmp_path) == []


def test_no_cell_is_a_formula_or_breaks_its_line():
    text = csv_text(["a"], [["=1+1"], ["@x"], ["+x"], ["-0.5"], [-1], ["a\rb"], ["\udcff"], [None]])
    lines = ["a", "'=1+1", "'@x", "'+x", "-0.5", "-1", "a\\rb", "\\udcff", '""', ""]
    assert text.split("\n") == lines
    assert all(cell(line) == line for line in lines)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, message in {
        tmp_path / "no" / "a.txt": "could not be written: its folder does not exist; no file",
        tmp_path: "expected a regular file, or none yet, got a folder",
        tmp_path / "pipe": "expected a regular file, or none yet, got a folder",
        Path("/dev/null"): "expected a regular file, or none yet, got a folder",
        tmp_path / "pipe" / "a.txt": "could not be written: Not a directory",
    }.items():
        with pytest.raises(StorageError, match=message), atomic_write(path):
            pytest.fail("nothing may be written")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_names_as_long_as_the_file_system_allows(tmp_path):
    for name in ("x" * 255, "é" * 127):
        with atomic_write(tmp_path / name) as file:
            file.write(b"1")
        assert (tmp_path / name).read_bytes() == b"1"


def test_json_is_readable_and_finite(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Größe", "loss": 0.1})
    assert (tmp_path / "a.json").read_text("utf-8").splitlines()[1] == '  "name": "Größe",'
    assert json.loads((tmp_path / "a.json").read_bytes())["loss"] == 0.1
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert json.loads((tmp_path / "a.json").read_bytes())["loss"] == 0.1


# ---- a full disk ----

FULL_DISK = """
    import resource, signal, sys
    import numpy as np
    from numpymlp.storage.files import StorageError, write_json
    from numpymlp.storage.archive import write_archive

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # exceeding the limit raises, as a full disk does
    path, limit = sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        if path.endswith(".json"):
            write_json(path, ["x" * 100] * 2000)
        else:
            write_archive(path, "model", {}, {"w": np.ones(25_000)})
    except StorageError as error:
        print(error)
"""


LIMITED = pytest.mark.skipif(
    not hasattr(signal, "SIGXFSZ"), reason="Windows has no limit for the size of a file"
)


@LIMITED
@pytest.mark.parametrize("limit", [0, 1, 70, 4096, 100_000, 199_999, 200_200])
@pytest.mark.parametrize("name", ["a.npz", "a.json"])
def test_a_full_disk_gives_one_error_and_leaves_the_previous_file(tmp_path, name, limit):
    path = tmp_path / name
    path.write_bytes(b"previous")
    output, errors = start(FULL_DISK, path, limit).communicate(timeout=60)
    assert errors == ""
    assert output == (
        f"{path} could not be written: the disk is full (File too large); "
        f"free some space or choose another folder; the previous file is unchanged\n"
    )
    assert path.read_bytes() == b"previous"
    assert names(tmp_path) == [name]


@LIMITED
def test_a_disk_with_space_is_not_called_full(tmp_path):
    output, errors = start(FULL_DISK, tmp_path / "a.npz", 300_000).communicate(timeout=60)
    assert (output, errors) == ("", "")
    assert np.load(tmp_path / "a.npz")["w"].sum() == 25_000


# ---- kills ----

WRITER = """
    import sys
    import numpy as np
    from numpymlp.storage.archive import write_archive

    for value in range(1, 1_000_000):
        write_archive(sys.argv[1], "model", {"value": value}, {"w": np.full(200_000, float(value))})
        print(value, flush=True)
"""


def kill_writer(folder: Path, wait: float) -> None:
    path = folder / "a.npz"
    writer = start(WRITER, path)
    assert writer.stdout is not None
    last = int(writer.stdout.readline())
    time.sleep(wait)
    writer.kill()
    last = max([last, *map(int, writer.stdout.read().split())])
    writer.communicate()
    with np.load(path) as file:
        value = json.loads(bytes(file["header"]))["value"]
        assert (file["w"] == value).all()
    assert value in (last, last + 1)
    left = set(names(folder)) - {"a.npz"}
    assert all(name.startswith(".a.npz.") and name.endswith(".tmp") for name in left)


def test_a_kill_while_writing_leaves_a_whole_file(tmp_path):
    chance = random.Random(0)
    for _ in range(3):
        kill_writer(tmp_path, chance.uniform(0, 0.05))


@pytest.mark.slow
def test_forty_kills_while_writing_leave_a_whole_file(tmp_path):
    chance = random.Random(1)
    for _ in range(40):
        kill_writer(tmp_path, chance.uniform(0, 0.1))
    left = len(names(tmp_path)) - 1
    print(f"\n40 kills while writing, {left} of them within a write: the file was always whole")
    assert left > 4, "no kill hit a write: the test proves nothing"


# ---- one process in a folder ----

HOLDER = """
    import sys, time
    from numpymlp.storage.files import RunLock

    with RunLock(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
"""


@contextlib.contextmanager
def holder(folder: Path):
    process = start(HOLDER, folder)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_gets_an_error_at_once_and_changes_nothing(tmp_path):
    with holder(tmp_path):
        before = [(path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir()]
        began = time.monotonic()
        with pytest.raises(InputError, match="is in use by another process: wait"):
            RunLock(tmp_path).__enter__()
        assert time.monotonic() - began < 1
        assert [(path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir()] == before


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_ends_with_its_process(tmp_path, end):
    with holder(tmp_path) as process:
        process.send_signal(end)
        process.wait()
        with RunLock(tmp_path):
            pass


def test_a_lock_can_be_taken_again_and_excludes_its_own_process(tmp_path):
    lock = RunLock(tmp_path)
    for _ in range(2):
        with lock, pytest.raises(InputError, match="is in use"), RunLock(tmp_path):
            pass


def test_a_failed_lock_leaves_no_descriptor_open(tmp_path):
    with RunLock(tmp_path):
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        for _ in range(3):
            with contextlib.suppress(InputError), RunLock(tmp_path):
                pass
        after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


def test_a_folder_that_is_missing_cannot_be_locked(tmp_path):
    with pytest.raises(StorageError, match="no cannot be locked: No such file"):
        RunLock(tmp_path / "no").__enter__()


def test_writing_keeps_no_file_open_and_no_temporary_file(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(64, soft), hard))
    try:
        for value in range(200):
            write_archive(tmp_path / "a.npz", "model", {}, {"w": np.full(3, float(value))})
            with contextlib.suppress(ZeroDivisionError), atomic_write(tmp_path / "b"):
                _ = 1 / 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert names(tmp_path) == ["a.npz"]
