"""Memory of one account: Python, Playwright's driver and the browser, as PSS in MB.

    python -m benchmarks.browser_memory [--sends 1000]

Each variant (binary, flags) runs in processes of its own. It is measured when linked, after the sends without
and then with a garbage collection, and after as many sends again with one every 250. PSS counts a shared page once.
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
from streams.whatsapp.web.browser import chromium_arguments, launch

_EVERY = 250
_IDLE_S = 3.0


def pss_mb() -> dict[str, float]:
    """PSS of this process, of Node, and of the browser with its children."""
    sums = {"python": 0.0, "node": 0.0, "browser": 0.0}
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        if process.pid != me.pid and process.name().startswith("python"):
            continue  # the sandbox
        kind = "python" if process.pid == me.pid else "browser"
        if process.name().startswith("node") or "MainThread" in process.name():
            kind = "python" if process.pid == me.pid else "node"
        sums[kind] += process.memory_full_info().pss / 1e6
    return sums


async def run_one(program: str, lean: bool, sends: int) -> dict[str, dict[str, float]]:
    if not lean:
        chromium_arguments._LEAN_ARGS, chromium_arguments._LEAN_SHELL_ARGS = (), ()  # pyright: ignore
        launch._NODE_OPTIONS = ""  # pyright: ignore
    seen: dict[str, dict[str, float]] = {}

    async def measure(name: str) -> None:
        gc.collect()
        await asyncio.sleep(_IDLE_S)  # Chromium still works after the last call
        seen[name] = pss_mb()

    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as whatsapp:
        async with ready_driver(whatsapp, Path(folder) / "profile", program) as driver:
            await measure("linked")
            for number in range(sends):
                await send(driver, f"3EB0A{number:06}")
            await measure("sent")
            await driver.collect_garbage()
            await measure("collected")
            for number in range(sends):
                await send(driver, f"3EB0B{number:06}")
                if number % _EVERY == _EVERY - 1:
                    await driver.collect_garbage()
            await measure("as many again, collected")
    return seen


def programs() -> list[str]:
    """The headless shell and the full browser, if they are installed."""
    paths = []
    for prefer_shell in (True, False):
        try:
            path = str(executable.find_chromium(None, prefer_shell=prefer_shell).path)
        except BrowserMissing:
            continue
        if path not in paths:
            paths.append(path)
    return paths


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
            for name, sums in json.loads(output.splitlines()[-1]).items():
                terms = " + ".join(f"{value:5.0f}" for value in sums.values())
                print(f"    {name:26} {terms} = {sum(sums.values()):5.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=1000)
    parser.add_argument("--one")
    parser.add_argument("--lean", type=int, default=1)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asyncio.run(run_one(options.one, bool(options.lean), options.sends))))
    else:
        main(options.sends)
