"""Prometheus' own judge, as the tests run it.

`make promtool` installs it; tests install nothing. If it is missing, they are skipped, or fail if CI is true.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

INSTALLED: Final = Path(__file__).parents[2] / ".tools" / "promtool"
TIMEOUT_S: Final = 120


def run_promtool(*arguments: str, text: str | None = None) -> str:
    """Run it, with this text as its input. Returns what it prints; fails unless it succeeds."""
    promtool = shutil.which(INSTALLED) or shutil.which("promtool")
    if promtool is None:
        reason = "there is no promtool; run make promtool"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    run = subprocess.run(
        [promtool, *arguments], input=text, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr
