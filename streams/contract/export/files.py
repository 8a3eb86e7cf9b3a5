"""Writes the JSON Schemas, the AsyncAPI and the OpenAPI document to `schemas/`.

`python -m streams.contract.export.files` does it.

With `--check`, it writes nothing: it prints the names of files that are not current, and exits with 1.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from streams.contract.export import asyncapi, json_schema, openapi

OUTPUT_DIR: Final = Path(__file__).parents[3] / "schemas"


def render_files() -> dict[str, bytes]:
    """The content of each file, by its name. It is ASCII, because the patterns contain invisible characters."""
    documents = {
        **json_schema.build_schemas(),
        "asyncapi": asyncapi.build_document(),
        "openapi": openapi.build_document(),
    }
    return {
        f"{name}.json": f"{json.dumps(document, indent=2)}\n".encode()
        for name, document in documents.items()
    }


def find_stale(folder: Path = OUTPUT_DIR) -> list[str]:
    """The names of files that are missing, out of date or unexpected."""
    expected = render_files()
    existing = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    return sorted(
        name
        for name in expected.keys() | existing.keys()
        if expected.get(name) != existing.get(name)
    )


def write_files(folder: Path = OUTPUT_DIR) -> list[str]:
    """Update the folder. Returns the names of the changed files."""
    changed, expected = find_stale(folder), render_files()
    folder.mkdir(exist_ok=True)
    for name in changed:
        if name in expected:
            (folder / name).write_bytes(expected[name])
        else:
            (folder / name).unlink()
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streams.contract.export.files", description=__doc__
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; print which files are not current"
    )
    check = parser.parse_args(arguments).check
    names = find_stale() if check else write_files()
    for name in names:
        print(
            f"schemas/{name}: {'is not current; run python -m streams.contract.export.files' if check else 'written'}"
        )
    return 1 if check and names else 0


if __name__ == "__main__":
    sys.exit(main())
