"""Writes the JSON Schemas and the AsyncAPI document to `schemas/`: `python -m streams.contract.export.files`.

With `--check` nothing is written; a file that is not what the code says is named, and the exit code is 1.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from streams.contract.export import asyncapi, json_schema

FOLDER: Final = Path(__file__).parents[3] / "schemas"
_OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def files() -> dict[str, bytes]:
    """What is to stand in the folder, by file name."""
    documents = {**json_schema.schemas(), "asyncapi": asyncapi.document()}
    return {f"{name}.json": orjson.dumps(made, option=_OPTIONS) for name, made in documents.items()}


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
    parser = argparse.ArgumentParser(
        prog="python -m streams.contract.export.files", description=__doc__
    )
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is stale")
    check = parser.parse_args(arguments).check
    names = stale() if check else write()
    for name in names:
        print(
            f"schemas/{name}: {'is not current; run python -m streams.contract.export.files' if check else 'written'}"
        )
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main())
