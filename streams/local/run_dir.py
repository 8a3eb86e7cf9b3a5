"""The run folder of a data folder: the lock of its only `up`, and the status that this `up` publishes.

An `up` holds the lock for as long as it lives. The status file of a killed one stays; it is recognized
by its pid, and never believed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock
import msgspec

from streams.local.status import StackStatus
from streams.operations.errors import UsageError
from streams.settings import Settings
from streams.system import processes
from streams.system.files import write_atomic


def get_path(settings: Settings) -> Path:
    """The folder of the run files."""
    return settings.data_dir / "run"


@contextmanager
def hold_lock(settings: Settings) -> Iterator[None]:
    """Be the only `up` on this data folder.

    Raises:
        UsageError: another one runs, or the folder cannot be written.
    """
    try:
        get_path(settings).mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(get_path(settings) / "up.lock")
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(_describe_owner(settings)) from None
    except OSError as error:
        raise UsageError(
            f"WA_DATA_DIR={settings.data_dir}: {error.strerror}; set another folder"
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
    """Replace the status that `ps` reads."""
    write_atomic(_get_status_file(settings), msgspec.json.encode(status))


def read_running_status(settings: Settings) -> StackStatus | None:
    """The status of the `up` that runs on this data folder now, if there is one."""
    try:
        status = msgspec.json.decode(_get_status_file(settings).read_bytes(), type=StackStatus)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if status.pid is None or processes.find_process(status.pid, status.since) is None:
        return None
    return status


def resolve_kafka(settings: Settings) -> Settings:
    """Fill in the brokers: those of WA_KAFKA_BOOTSTRAP_SERVERS, else those of the running `up`.

    Raises:
        UsageError: neither exists.
    """
    if settings.kafka_bootstrap_servers is not None:
        return settings
    status = read_running_status(settings)
    if status is None or status.kafka is None:
        raise UsageError(
            "no Kafka: set WA_KAFKA_BOOTSTRAP_SERVERS=host:port, "
            f"or start `wa-streams up` on {settings.data_dir}"
        )
    return replace(settings, kafka_bootstrap_servers=status.kafka)


def _get_status_file(settings: Settings) -> Path:
    return get_path(settings) / "up.json"
