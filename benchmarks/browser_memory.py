"""Memory of one account: Python, Playwright's driver and the browser, as PSS in MB.

    python -m benchmarks.browser_memory [--sends 1000]

Each way (binary, flags) in processes of its own: linked, after so many sends without and then with a
collection of garbage, and after as many again with one every 250. PSS counts a shared page once.
"""

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.browser_common import machine, ready_driver, sandbox, send
from streams.whatsapp.errors import BrowserMissing
from streams.whatsapp.install import executable
from streams.whatsapp.web import chromium_arguments, launch

_EVERY = 250
_SETTLE_S = 3.0


def pss_mb() -> dict[str, float]:
    """Of this process, of Node and of the browser with its children."""
    sums = {"python": 0.0, "node": 0.0, "browser": 0.0}
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        if process.pid != me.pid and process.name().startswith("python"):
            continue  # the sandbox
        part = "python" if process.pid == me.pid else "browser"
        if process.name().startswith("node") or "MainThread" in process.name():
            part = "python" if process.pid == me.pid else "node"
        sums[part] += process.memory_full_info().pss / 1e6
    return sums


async def run_one(program: str, lean: bool, sends: int) -> dict[str, dict[str, float]]:
    if not lean:
        chromium_arguments._LEAN_ARGS, chromium_arguments._LEAN_SHELL_ARGS = (), ()  # pyright: ignore
        launch._NODE_OPTIONS = ""  # pyright: ignore
    seen: dict[str, dict[str, float]] = {}

    async def look(name: str) -> None:
        gc.collect()
        await asyncio.sleep(_SETTLE_S)  # what Chromium does after the last call is to be in it
        seen[name] = pss_mb()

    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as whatsapp:
        async with ready_driver(whatsapp, Path(folder) / "profile", program) as driver:
            await look("linked")
            for number in range(sends):
                await send(driver, f"3EB0A{number:06}")
            await look("sent")
            await driver.collect_garbage()
            await look("collected")
            for number in range(sends):
                await send(driver, f"3EB0B{number:06}")
                if number % _EVERY == _EVERY - 1:
                    await driver.collect_garbage()
            await look("as many again, collected")
    return seen


def programs() -> list[str]:
    """The headless shell and the full browser, as far as they are here."""
    found = []
    for prefer_shell in (True, False):
        try:
            path = str(executable.find_chromium(None, prefer_shell=prefer_shell).path)
        except BrowserMissing:
            continue
        if path not in found:
            found.append(path)
    return found


def main(sends: int) -> None:
    print(machine())
    print(f"PSS in MB, python + node + browser; {sends} sends")
    for program in programs():
        for lean in (False, True):
            command = [sys.executable, "-m", "benchmarks.browser_memory", f"--sends={sends}"]
            output = subprocess.run(
                [*command, f"--one={program}", f"--lean={int(lean)}"],
                check=True,
                stdout=subprocess.PIPE,
                env=os.environ,
            ).stdout
            print(f"{Path(program).name}, {'our flags' if lean else 'Playwright alone'}")
            for name, parts in json.loads(output.splitlines()[-1]).items():
                shown = " + ".join(f"{value:5.0f}" for value in parts.values())
                print(f"    {name:26} {shown} = {sum(parts.values()):5.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=1000)
    parser.add_argument("--one")
    parser.add_argument("--lean", type=int, default=1)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(asyncio.run(run_one(asked.one, bool(asked.lean), asked.sends))))
    else:
        main(asked.sends)
