"""Runs an installer of a third party and passes on its output. May not decide what is installed."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def run_installer(
    command: Sequence[str],
    progress: Callable[[str], None],
    *,
    cwd: Path | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> int:
    """Run the command and return its exit code, or 127 if there is no such program.

    `progress` receives the command, and each line of output once. Lines that each attempt repeats and
    the stack trace of an error (it is indented) are left out: they help nobody.
    """
    progress("$ " + " ".join(command))
    try:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=os.environ | (extra_environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        progress(str(error))
        return 127
    with process:
        assert process.stdout is not None
        printed_lines: set[str] = set()
        for line in process.stdout:
            if line[0] not in " \t}\n" and line not in printed_lines:
                printed_lines.add(line)
                progress(line.rstrip())
    return process.returncode
