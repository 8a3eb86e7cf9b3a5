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


def read_cpu_s(worker_pid: int) -> tuple[Counter[str], Counter[str]]:
    """CPU seconds of the worker with its browser, and of the benchmark with its own; broker and sandbox are in both."""
    sums: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    worker = psutil.Process(worker_pid)
    tree = {worker.pid, *(process.pid for process in worker.children(recursive=True))}
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            kind, times = _find_kind(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        cpu_s = times.user + times.system
        for is_worker, counts in zip((True, False), sums, strict=True):
            if kind in _SHARED or (process.pid in tree) == is_worker:
                counts[kind] += cpu_s
    return sums


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
