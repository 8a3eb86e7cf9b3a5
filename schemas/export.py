"""Writes the JSON Schemas and the AsyncAPI document to `schemas/json/`: `python -m schemas.export`.

With `--check` nothing is written; a file that is not what the code says is named, and the exit code is 1.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schemas import asyncapi, json_schema

FOLDER: Final = Path(__file__).parent / "json"


def files() -> dict[str, bytes]:
    """What is to stand in the folder, by file name. In ASCII: patterns name characters that are not seen."""
    documents = {**json_schema.schemas(), "asyncapi": asyncapi.document()}
    return {
        f"{name}.json": f"{json.dumps(made, indent=2)}\n".encode()
        for name, made in documents.items()
    }


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of files that are missing, out of date or not ours."""
    wanted = files()
    found = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    return sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )


def write(folder: Path = FOLDER) -> list[str]:
    """Bring the folder up to date; returns the names of files that changed."""
    changed, wanted = stale(folder), files()
    folder.mkdir(exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_bytes(wanted[name])
        else:
            (folder / name).unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is stale")
    check = parser.parse_args(arguments).check
    names = stale() if check else write()
    for name in names:
        print(
            f"schemas/json/{name}: {'is not current; run python -m schemas.export' if check else 'written'}"
        )
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main())
