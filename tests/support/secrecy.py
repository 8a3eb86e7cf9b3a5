"""What other users of a machine could read of a running service: its files and its command lines."""

import stat
from collections.abc import Iterable
from pathlib import Path

import psutil

SECRET = "marker-9f2c77d1-of-a-secret"


def list_open_files(folder: Path) -> list[str]:
    """Everything in and below this folder that is not closed to other users, with its permissions."""
    entries = {path: path.lstat().st_mode for path in (folder, *folder.rglob("*"))}
    return [
        f"{stat.filemode(mode)} {path}"
        for path, mode in entries.items()
        if not stat.S_ISLNK(mode) and mode & 0o077
    ]


def list_files_with(folder: Path, secret: str) -> list[Path]:
    """The files below this folder that contain the secret."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if secret.encode() in path.read_bytes()]


def list_command_lines_with(pids: Iterable[int], secret: str) -> list[str]:
    """The command lines that contain the secret. Every user of the machine can read them."""
    command_lines: list[str] = []
    for pid in pids:
        try:
            command_lines.append(" ".join(psutil.Process(pid).cmdline()))
        except psutil.NoSuchProcess:
            continue
    return [line for line in command_lines if secret in line]
