"""The folder of one worker: its tables, its name in the group, and the lock that makes it the only one.

A worker comes back under the same member id and so gets its partitions, and finds its tables, at once.
Two live processes under one id would put each other out of the group in turns; hence the lock, which the
kernel gives back when its owner dies, however it dies.
"""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import filelock

from streams.settings import Settings

_ENDED = "ended"  # a file that is there between a worker's regular end and its next start


class WorkerRuns(RuntimeError):
    """Another live process has this worker's name; the message says what to do, in one line."""


@dataclass(frozen=True, slots=True)
class WorkerFolder:
    """A folder that is ours until `release`, or until the process ends."""

    path: Path
    member_id: str
    predecessor: bool  # whether a process before us had this member id, and did not say its end
    _lock: filelock.BaseFileLock

    def release(self) -> None:
        """Let another process be this worker, and tell it that nothing of ours goes on."""
        (self.path / _ENDED).touch()
        self._lock.release()


def take(settings: Settings, name: str) -> WorkerFolder:
    """Become the worker of this name on this data folder.

    Raises:
        WorkerRuns: it runs already.
    """
    path = settings.data_dir / "tables" / name
    path.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path / "lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise WorkerRuns(
            f"a worker {name} runs already on {settings.data_dir}; stop it, or give this one "
            "another name with --name"
        ) from None
    ended = (path / _ENDED).exists()
    (path / _ENDED).unlink(missing_ok=True)
    member_id, known = _member_id(path / "member", name)
    return WorkerFolder(path, member_id, known and not ended, lock)


def _member_id(file: Path, name: str) -> tuple[str, bool]:
    """The member id, and whether somebody had it before."""
    try:
        if said := file.read_text().strip():
            return said, True
    except FileNotFoundError:
        pass  # the first start on this folder
    member_id = f"{name}-{uuid.uuid4().hex[:12]}"
    fresh = file.with_suffix(".new")
    with fresh.open("w") as written:
        written.write(member_id)
        written.flush()
        os.fsync(written.fileno())
    fresh.replace(file)
    return member_id, False
