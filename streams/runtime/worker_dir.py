"""The folder of one worker: its tables, its member id, and the lock that makes it the only one.

A worker returns under the same member id, so it gets its partitions and finds its tables at once. Two live processes
under one id would expel each other from the group in turn. Hence the lock, which the kernel releases when the process
dies, however it dies.

A lock protects one folder, and not a copy of it. A copy would bring its member id along, and tables that are older than
the deletions which the changelog still has. So the folder remembers whose it is: a worker's name and the folder's
inode. A copy has another inode; its tables are deleted, and it becomes another member. The same volume in a new
container, or on a machine of another name, has the same inode, so its worker goes on. Only a copy of the whole disk
cannot be told apart: then the member that is expelled again and again returns under a new id.
"""

import contextlib
import logging
import shutil
import socket
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import msgspec

from streams.settings import Settings
from streams.system.files import write_atomic

log = logging.getLogger(__name__)

_OWNER_FILE = "member"
_EXPELLED_AGAIN_S = 300.0
_CLEAN_EXIT_FILE = "ended"  # exists between a worker's regular end and its next start


class WorkerAlreadyRunning(RuntimeError):
    """Another live process has this worker's name; the message says what to do, in one line."""


class _Owner(msgspec.Struct, frozen=True):
    """Whose folder it is. `member_id` None: another process has the id, and expels us."""

    member_id: str | None
    name: str
    host: str
    inode: int
    was_expelled: bool = False  # the last process of this folder, from its group


@dataclass(frozen=True, slots=True)
class WorkerDir:
    """A folder that belongs to this process until `release`, or until the process ends."""

    path: Path
    member_id: str
    has_predecessor: bool  # another process had this member id, and did not end regularly
    _lock: filelock.BaseFileLock
    _started_s: float = field(default_factory=time.monotonic)

    def on_expelled(self) -> None:
        """This process was expelled from its group. If that happens again soon, another process has its id.

        Then the next process becomes another member. After a single expulsion it does not: it was suspended, or
        the broker was away, and under the same id it gets the same partitions.
        """
        owner = _read_owner(self.path)
        if owner is None:
            return
        is_soon = time.monotonic() - self._started_s < _EXPELLED_AGAIN_S
        member_id = None if owner.was_expelled and is_soon else owner.member_id
        changed = msgspec.structs.replace(owner, member_id=member_id, was_expelled=True)
        with contextlib.suppress(OSError):  # a full disk: the process must end in any case
            _write_owner(self.path, changed)

    def release(self) -> None:
        """Let another process be this worker, and record that nothing of this one continues."""
        owner = _read_owner(self.path)
        with contextlib.suppress(OSError):  # a full disk: the next process waits for a predecessor
            if owner is not None and owner.was_expelled:
                _write_owner(self.path, msgspec.structs.replace(owner, was_expelled=False))
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
    previous = _read_owner(path)
    if previous is not None and _is_copy(previous, path, name):
        _delete_tables(path, previous)
        previous = None
    owner = _become_owner(path, name, previous)
    return WorkerDir(
        path, str(owner.member_id), _has_predecessor(previous, owner, exited_cleanly), lock
    )


def _is_copy(owner: _Owner, path: Path, name: str) -> bool:
    return (owner.name, owner.inode) != (name, path.stat().st_ino)


def _delete_tables(path: Path, owner: _Owner) -> None:
    log.warning(
        "%s is a copy of the folder of worker %s on host %s: its tables are deleted and rebuilt from Kafka",
        path,
        owner.name,
        owner.host,
    )
    for folder in path.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)


def _become_owner(path: Path, name: str, previous: _Owner | None) -> _Owner:
    member_id = previous.member_id if previous else None
    owner = _Owner(
        member_id=member_id or f"{name}-{uuid.uuid4().hex[:12]}",
        name=name,
        host=socket.gethostname(),
        inode=path.stat().st_ino,
        was_expelled=previous is not None and previous.was_expelled and bool(member_id),
    )
    if owner != previous:
        _write_owner(path, owner)
    return owner


def _has_predecessor(previous: _Owner | None, owner: _Owner, exited_cleanly: bool) -> bool:
    """Whether another process may still act under this member id."""
    if previous is None or previous.member_id is None:
        return False
    # On another host, a clean exit may be that of a copy of the disk.
    return not exited_cleanly or previous.host != owner.host


def _read_owner(path: Path) -> _Owner | None:
    """Whose folder it is; None: nobody's yet."""
    try:
        return msgspec.json.decode((path / _OWNER_FILE).read_bytes(), type=_Owner)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _write_owner(path: Path, owner: _Owner) -> None:
    write_atomic(path / _OWNER_FILE, msgspec.json.encode(owner), is_durable=True)
