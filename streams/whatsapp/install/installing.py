"""Runs somebody else's installer and passes on what it says. Decides nothing."""

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
    """The exit code; 127 when there is no such program.

    `progress` gets the command and each line once: what is said in every attempt, and the traces
    of an error (they are indented), help nobody.
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
