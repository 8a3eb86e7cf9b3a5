"""Runs an installer that is not ours, and passes on what it prints. Decides nothing."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# What an installer puts on the machine is for all its users, unlike what we write.
_INSTALLER_UMASK = 0o022


def run_installer(
    command: Sequence[str],
    progress: Callable[[str], None],
    *,
    cwd: Path | None = None,
    extra_environment: Mapping[str, str] | None = None,
) -> int:
    """Run it; returns its exit code, 127 when there is no such program.

    `progress` gets the command and each line once. Lines that every attempt repeats and the traces of
    an error (they are indented) help nobody, so they are left out.
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
            umask=_INSTALLER_UMASK,
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
