"""What runs on a data folder: `run/up.json`, its one writer, and those who look it up.

An `up` holds the lock as long as it lives, so the file of one that was killed is told by its pid.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock
import msgspec
import psutil

from streams.operations.errors import Wrong
from streams.settings import Settings


class ShownPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part in `ps`."""

    name: str
    pid: int | None
    state: str
    restarts: int
    why: str = ""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What `ps --json` prints; `pid` and `since` (epoch seconds) are those of the `up`."""

    ready: bool
    kafka: str | None
    web: str | None
    sandbox: str | None
    parts: list[ShownPart]
    data_dir: str
    pid: int | None = None
    since: float = 0.0


def nothing(settings: Settings) -> Picture:
    """The picture where no `up` runs."""
    return Picture(
        ready=False,
        kafka=None,
        web=None,
        sandbox=None,
        parts=[],
        data_dir=str(settings.data_dir),
    )


def folder(settings: Settings) -> Path:
    """Where the run files are."""
    return settings.data_dir / "run"


@contextmanager
def claimed(settings: Settings) -> Iterator[None]:
    """Be the only `up` on this data folder. Raises Wrong when another one is."""
    try:
        folder(settings).mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder(settings) / "up.lock")
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise Wrong(_taken(settings)) from None
    except OSError as error:
        raise Wrong(f"WA_DATA_DIR={settings.data_dir}: {error.strerror}; set another") from error
    try:
        yield
    finally:
        _file(settings).unlink(missing_ok=True)
        lock.release()


def _taken(settings: Settings) -> str:
    other = running(settings)
    who = f" (pid {other.pid})" if other else ""
    return (
        f"another `wa-streams up`{who} uses {settings.data_dir}; "
        "stop it, or set WA_DATA_DIR to another folder"
    )


def publish(settings: Settings, picture: Picture) -> None:
    """Write the picture; readers see the old or the new one, never a half."""
    temporary = _file(settings).with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(picture))
    temporary.replace(_file(settings))


def running(settings: Settings) -> Picture | None:
    """The picture of the `up` that runs on this data folder now, if one does."""
    try:
        picture = msgspec.json.decode(_file(settings).read_bytes(), type=Picture)
        started_s = psutil.Process(picture.pid).create_time()
    except (FileNotFoundError, psutil.NoSuchProcess, msgspec.DecodeError):
        return None
    # A pid that was given to another process since is told by its start.
    return picture if started_s <= picture.since + 1.0 else None


def connected(settings: Settings) -> Settings:
    """The settings with the brokers filled in: those of WA_KAFKA, else those of the running `up`.

    Raises Wrong when there are neither.
    """
    if settings.kafka_bootstrap_servers is not None:
        return settings
    here = running(settings)
    if here is None or here.kafka is None:
        raise Wrong(
            f"no Kafka: set WA_KAFKA=host:port, or start `wa-streams up` on {settings.data_dir}"
        )
    return replace(settings, kafka_bootstrap_servers=here.kafka)


class WorkerFile(msgspec.Struct, frozen=True):
    """What a worker says of itself once it listens."""

    name: str
    pid: int
    web: str


def worker(settings: Settings, name: str) -> WorkerFile | None:
    """The run file of a worker that runs now, if it has written one."""
    try:
        said = (folder(settings) / f"{name}.json").read_bytes()
        found = msgspec.json.decode(said, type=WorkerFile)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if _lives(found.pid) else None


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _file(settings: Settings) -> Path:
    return folder(settings) / "up.json"


def own_start() -> float:
    """When this process began, epoch seconds."""
    return psutil.Process(os.getpid()).create_time()


def own_pid() -> int:
    """This process."""
    return os.getpid()
