"""The folder of one worker: its tables, its member id, and the lock that makes it the only one.

A worker returns under the same member id, so it gets its partitions and finds its tables at once. Two live processes
under one id would expel each other from the group in turn. Hence the lock, which the kernel releases when the process
dies, however it dies.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path

import filelock

from streams.settings import Settings
from streams.system.files import write_atomic

_CLEAN_EXIT_FILE = "ended"  # exists between a worker's regular end and its next start


class WorkerAlreadyRunning(RuntimeError):
    """Another live process has this worker's name; the message says what to do, in one line."""


@dataclass(frozen=True, slots=True)
class WorkerDir:
    """A folder that belongs to this process until `release`, or until the process ends."""

    path: Path
    member_id: str
    has_predecessor: bool  # another process had this member id, and did not end regularly
    _lock: filelock.BaseFileLock

    def release(self) -> None:
        """Let another process be this worker, and record that nothing of this one continues."""
        (self.path / _CLEAN_EXIT_FILE).touch()
        self._lock.release()


def acquire(settings: Settings, name: str) -> WorkerDir:
    """Become the worker of this name on this data folder.

    Raises:
        WorkerAlreadyRunning: another live process has this name.
    """
    path = settings.data_dir / "tables" / name
    path.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path / "lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise WorkerAlreadyRunning(
            f"a worker {name} is already running on {settings.data_dir}; stop it, or give this one "
            "another name with --name"
        ) from None
    exited_cleanly = (path / _CLEAN_EXIT_FILE).exists()
    (path / _CLEAN_EXIT_FILE).unlink(missing_ok=True)
    member_id, had_member_id = _read_or_create_member_id(path / "member", name)
    return WorkerDir(path, member_id, had_member_id and not exited_cleanly, lock)


def _read_or_create_member_id(file: Path, name: str) -> tuple[str, bool]:
    """The member id, and whether a process had it before."""
    try:
        if stored_id := file.read_text().strip():
            return stored_id, True
    except FileNotFoundError:
        pass  # the first start on this folder
    member_id = f"{name}-{uuid.uuid4().hex[:12]}"
    write_atomic(file, member_id.encode(), is_durable=True)
    return member_id, False
