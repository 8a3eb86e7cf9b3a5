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

from streams.operations.errors import UsageError
from streams.settings import Settings


class ServiceStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part in `ps`."""

    name: str
    pid: int | None
    state: str
    restarts: int
    reason: str = ""


class StackStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `ps --json` prints; `pid` and `since` (epoch seconds) are those of the `up`."""

    ready: bool
    kafka: str | None
    web: str | None
    sandbox: str | None
    parts: list[ServiceStatus]
    data_dir: str
    pid: int | None = None
    since: float = 0.0


def make_empty_status(settings: Settings) -> StackStatus:
    """The picture where no `up` runs."""
    return StackStatus(
        ready=False,
        kafka=None,
        web=None,
        sandbox=None,
        parts=[],
        data_dir=str(settings.data_dir),
    )


def get_path(settings: Settings) -> Path:
    """Where the run files are."""
    return settings.data_dir / "run"


@contextmanager
def hold_lock(settings: Settings) -> Iterator[None]:
    """Be the only `up` on this data folder. Raises Wrong when another one is."""
    try:
        get_path(settings).mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(get_path(settings) / "up.lock")
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(_describe_owner(settings)) from None
    except OSError as error:
        raise UsageError(
            f"WA_DATA_DIR={settings.data_dir}: {error.strerror}; set another"
        ) from error
    try:
        yield
    finally:
        _get_status_file(settings).unlink(missing_ok=True)
        lock.release()


def _describe_owner(settings: Settings) -> str:
    status = read_running_status(settings)
    pid = f" (pid {status.pid})" if status else ""
    return (
        f"another `wa-streams up`{pid} uses {settings.data_dir}; "
        "stop it, or set WA_DATA_DIR to another folder"
    )


def publish(settings: Settings, status: StackStatus) -> None:
    """Write the picture; readers see the old or the new one, never a half."""
    temporary = _get_status_file(settings).with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(status))
    temporary.replace(_get_status_file(settings))


def read_running_status(settings: Settings) -> StackStatus | None:
    """The picture of the `up` that runs on this data folder now, if one does."""
    try:
        status = msgspec.json.decode(_get_status_file(settings).read_bytes(), type=StackStatus)
        started_s = psutil.Process(status.pid).create_time()
    except (FileNotFoundError, psutil.NoSuchProcess, msgspec.DecodeError):
        return None
    # A pid that was given to another process since is told by its start.
    return status if started_s <= status.since + 1.0 else None


def resolve_kafka(settings: Settings) -> Settings:
    """The settings with the brokers filled in: those of WA_KAFKA_BOOTSTRAP_SERVERS, else those of the running `up`.

    Raises Wrong when there are neither.
    """
    if settings.kafka_bootstrap_servers is not None:
        return settings
    status = read_running_status(settings)
    if status is None or status.kafka is None:
        raise UsageError(
            f"no Kafka: set WA_KAFKA_BOOTSTRAP_SERVERS=host:port, or start `wa-streams up` on {settings.data_dir}"
        )
    return replace(settings, kafka_bootstrap_servers=status.kafka)


class RunFile(msgspec.Struct, frozen=True):
    """What a worker says of itself once it listens."""

    name: str
    pid: int
    web: str


def read_run_file(settings: Settings, name: str) -> RunFile | None:
    """The run file of a worker that runs now, if it has written one."""
    try:
        content = (get_path(settings) / f"{name}.json").read_bytes()
        run_file = msgspec.json.decode(content, type=RunFile)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return run_file if _is_alive(run_file.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _get_status_file(settings: Settings) -> Path:
    return get_path(settings) / "up.json"


def get_own_start_s() -> float:
    """When this process began, epoch seconds."""
    return psutil.Process(os.getpid()).create_time()


def get_own_pid() -> int:
    """This process."""
    return os.getpid()
