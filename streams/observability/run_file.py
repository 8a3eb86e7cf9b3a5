"""Run files: `<data folder>/run/<name>.json` says where a worker on this machine listens.

`up` and other commands read them. The file of a killed worker stays; it is recognized by its pid.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from streams.system import processes
from streams.system.files import write_atomic


class RunFile(msgspec.Struct, frozen=True):
    """What a worker publishes about itself once it listens; `web` is its URL."""

    name: str
    pid: int
    web: str


@contextmanager
def managed_run_file(data_dir: Path, name: str) -> Iterator[Callable[[str], None]]:
    """Yield a function to call with the worker's URL once it listens; the file is removed at the end.

    A file that another process of the same name has written in the meantime stays.
    """
    path = _get_path(data_dir, name)

    def publish_url(url: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, msgspec.json.encode(RunFile(name, os.getpid(), url)))

    try:
        yield publish_url
    finally:
        run_file = _read(path)
        if run_file is not None and run_file.pid == os.getpid():
            path.unlink(missing_ok=True)


def read_run_file(data_dir: Path, name: str) -> RunFile | None:
    """The run file of the worker of this name, if it runs and has written one."""
    run_file = _read(_get_path(data_dir, name))
    return run_file if run_file is not None and processes.is_running(run_file.pid) else None


def read_last_port(data_dir: Path, name: str) -> int:
    """The port on which the worker of this name listened last; 0: it never did."""
    try:
        return int(_get_port_path(data_dir, name).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def save_port(data_dir: Path, name: str, port: int) -> None:
    """Remember the port: a worker keeps its address over its restarts."""
    path = _get_port_path(data_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, str(port).encode())


def _get_port_path(data_dir: Path, name: str) -> Path:
    return data_dir / "ports" / name


def _get_path(data_dir: Path, name: str) -> Path:
    return data_dir / "run" / f"{name}.json"


def _read(path: Path) -> RunFile | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
