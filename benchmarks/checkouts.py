"""Processes with the code of a checkout, so that a benchmark measures two versions beside each other in one run."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parents[1]
STOP_TIMEOUT_S = 60.0


def make_environ(tree: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of such a process: these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WA_")}
    return inherited | {"PYTHONPATH": str(tree), "WA_CONFIG": "", **settings}


def start_process(
    tree: Path, environ: Mapping[str, str], log: Path, *command: str
) -> subprocess.Popen[bytes]:
    """Run Python in the checkout: its own `.venv`, or this program's interpreter if it has none."""
    own_python = tree / ".venv/bin/python"
    python = str(own_python) if own_python.exists() else sys.executable
    with log.open("ab") as output:
        return subprocess.Popen(
            [python, *command],
            cwd=tree,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that this program has started."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
