"""Whether Chromium's own sandbox works here, found out by trying it. It is not the simulated WhatsApp.

The sandbox confines the processes that read what strangers send: pages, pictures, videos. It needs user
namespaces, which some systems and most containers refuse, and it refuses to work for root. Only what Chromium
itself says about its sandbox may turn it off: a browser that fails for another reason keeps it.
"""

import asyncio
import functools
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from streams.whatsapp.install.executable import Executable

ROOT_REASON: Final = "Chromium has none for root: run it as another user"
TRY_TIMEOUT_S = 20.0
_TRY_ARGS: Final = (
    "--headless",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--dump-dom",
    "about:blank",
)
# The files of Chromium that report a sandbox which cannot be set up, and the words that they use.
_REFUSALS: Final = (
    "No usable sandbox",
    "Running as root without --no-sandbox",
    "Failed to move to new namespace",
    "SUID sandbox helper",
    "sandbox/linux/services/",
    "zygote_host_impl_linux.cc",
)
_PERMISSION_ADVICE: Final = (
    "allow this user to create user namespaces (in a container: a seccomp profile that does)"
)


async def find_obstacle(program: Executable) -> str | None:
    """Why the browser must run without its sandbox, and what to do; None: the sandbox works.

    The program is tried once in the life of this process.
    """
    if os.geteuid() == 0:
        return ROOT_REASON
    return await asyncio.to_thread(_try_once, program.path)


@functools.lru_cache(maxsize=8)
def _try_once(program: Path) -> str | None:
    with tempfile.TemporaryDirectory(prefix="wa-browser-", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [str(program), *_TRY_ARGS, f"--user-data-dir={folder}/profile"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            _, errors = process.communicate(timeout=TRY_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            _, errors = process.communicate()
    return None if process.returncode == 0 else read_refusal(errors)


def read_refusal(errors: str) -> str | None:
    """What Chromium's stderr says about a sandbox that cannot work, in one line; None: nothing."""
    if not any(refusal in errors for refusal in _REFUSALS):
        return None
    return f"the system refuses it: {_PERMISSION_ADVICE}"
