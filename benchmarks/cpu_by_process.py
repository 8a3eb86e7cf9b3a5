"""The CPU time of this benchmark's processes, by what they are. Reads only; starts and ends nothing.

Counted are the benchmark itself and what it has started. A process that has ended in between is not counted any more,
so compare two moments between which none ends.
"""

from collections import Counter

import psutil

PYTHON, DRIVER, BROWSER, PAGE, BROKER, WHATSAPP = (
    "Python",
    "Playwright's driver",
    "browser process",
    "page",
    "broker",
    "simulated WhatsApp",
)
KINDS = (PYTHON, DRIVER, BROWSER, PAGE, BROKER, WHATSAPP)
_SHARED = (BROKER, WHATSAPP)  # by everything that is measured


def read_cpu_s(*worker_pids: int) -> list[Counter[str]]:
    """CPU seconds of each worker with its browser, and last of the benchmark with its own.

    Those of the broker and the sandbox are in all of them.
    """
    trees = [_find_tree(pid) for pid in worker_pids]
    sums: list[Counter[str]] = [Counter() for _ in (*trees, "the benchmark")]
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            kind, times = _find_kind(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        owner = next((n for n, tree in enumerate(trees) if process.pid in tree), len(trees))
        for number, counts in enumerate(sums):
            if kind in _SHARED or number == owner:
                counts[kind] += times.user + times.system
    return sums


def _find_tree(pid: int) -> set[int]:
    return {pid, *(process.pid for process in psutil.Process(pid).children(recursive=True))}


def _find_kind(command: list[str]) -> str:
    line = " ".join(command)
    if "streams.sandbox" in line:
        return WHATSAPP
    if "kafka.Kafka" in line or (command[:1] and command[0].endswith("java")):
        return BROKER
    if "run-driver" in line:
        return DRIVER
    if "--type=renderer" in line:
        return PAGE
    return BROWSER if "--user-data-dir=" in line or "--type=" in line else PYTHON
