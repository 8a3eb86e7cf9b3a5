"""Writes generated files that are missing or not current. Renders nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def find_stale(files: Mapping[Path, str]) -> list[Path]:
    """The files that are missing, or have another text."""
    return [path for path, text in files.items() if not path.is_file() or path.read_text() != text]


def run(files: Mapping[Path, str], arguments: Sequence[str], target: str) -> int:
    """Write what is stale, or with `--check` only name it. `target`: of make. Returns the exit code of the command."""
    stale = find_stale(files)
    if "--check" in arguments:
        for path in stale:
            print(f"{path}: is not current; run make {target}")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files[path])
        print(f"{path}: written")
    return 0
