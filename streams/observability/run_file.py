"""Run files: `<data folder>/run/<name>.json` says where a worker that runs here listens.

`up` and `ps` read them. One that is left behind by a killed worker is told by its pid.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def managed_run_file(data_dir: Path, name: str) -> Iterator[Callable[[str], None]]:
    """Gives a function to be called with the worker's URL once it listens; the file goes at the end.

    A file that another process of the same name has written meanwhile stays.
    """
    path = data_dir / "run" / f"{name}.json"

    def write(url: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file, under a name of our own: readers see the old one or the new one, no half.
        temporary = path.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(json.dumps({"name": name, "pid": os.getpid(), "web": url}))
        temporary.replace(path)

    try:
        yield write
    finally:
        if _is_own(path):
            path.unlink(missing_ok=True)


def _is_own(path: Path) -> bool:
    try:
        return json.loads(path.read_text())["pid"] == os.getpid()
    except FileNotFoundError:
        return False
