"""Files that only their owner can read. A profile holds the login of an account, a table the messages.

What this process and its children create is private by the umask. What exists already, from an earlier
version or from a person, is tightened once. Nothing here may change a folder that is not ours: WA_DATA_DIR
may name a folder that holds other things too.
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

PRIVATE_DIR_MODE = 0o700
_OPEN_BITS = stat.S_IRWXG | stat.S_IRWXO


def keep_files_private() -> None:
    """From now on, only the owner can read what this process and its children create."""
    os.umask(_OPEN_BITS)


def tighten_folder(
    folder: Path, own_names: Iterable[str], on_change: Callable[[str], None]
) -> None:
    """Make sure that only their owner can read this folder and its entries of these names.

    The folder itself is only changed if nothing else is in it. `on_change` gets one line if something was
    too open, or if somebody else owns it, so that it stays as it is. Inside a private folder nothing is examined.

    Raises:
        OSError: the folder does not exist and cannot be created.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIR_MODE)
    names = set(own_names)
    entries = [entry for entry in folder.iterdir() if not entry.is_symlink()]
    is_ours = all(entry.name in names for entry in entries) and not _is_sticky(folder)
    if not _is_open(folder):
        return
    roots = [folder] if is_ours else [entry for entry in entries if entry.name in names]
    changed, foreign = 0, 0
    for path in _walk(roots):
        if _is_open(path):
            if _tighten(path):
                changed += 1
            else:
                foreign += 1
    if changed:
        on_change(
            f"{folder} could be read by other users: {changed} files and folders are closed to them now"
        )
    if foreign:
        on_change(
            f"{folder}: {foreign} files and folders belong to another user, and others may read them"
        )


def _walk(roots: Iterable[Path]) -> Iterable[Path]:
    """Everything below, folders first: a folder that is closed protects what has not been closed yet."""
    for root in roots:
        yield root
        if root.is_dir():
            for folder, folders, files in os.walk(root):
                yield from (Path(folder, name) for name in (*folders, *files))


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # a running service removes its files
        return False
    return not stat.S_ISLNK(mode) and bool(mode & _OPEN_BITS)


def _is_sticky(folder: Path) -> bool:
    """A folder such as /tmp, which many users share."""
    return bool(folder.stat().st_mode & stat.S_ISVTX)


def _tighten(path: Path) -> bool:
    try:
        path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~_OPEN_BITS)
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return True
