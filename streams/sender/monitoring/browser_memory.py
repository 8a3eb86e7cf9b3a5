"""The memory of the account's browser, and of WhatsApp's page in it: read from the kernel at each scrape.

Resident memory: what processes share is counted more than once, so the sum is an upper bound. Starts and
ends nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.system import processes


class BrowserMemory(NamedTuple):
    """In bytes; the page is the largest of the browser's renderers."""

    browser: int
    page: int


class BrowserMemoryCollector(Collector):
    """Two gauges, which are absent while there is no browser."""

    def __init__(self, registry: CollectorRegistry, profile_dir: Path) -> None:
        self._pid_file = profile_dir / ".wa-streams" / "browser.pid"
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry needs no sample to know the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The memory at this moment."""
        browser = GaugeMetricFamily(
            "wa_browser_memory_bytes", "Resident memory of all processes of the account's browser"
        )
        page = GaugeMetricFamily(
            "wa_page_memory_bytes", "Resident memory of the process that renders WhatsApp's page"
        )
        memory = read_memory(self._pid_file)
        if memory is not None:
            browser.add_metric([], memory.browser)
            page.add_metric([], memory.page)
        yield browser
        yield page


def read_memory(pid_file: Path) -> BrowserMemory | None:
    """The memory of the browser whose pid is in this file; None: it does not run."""
    process = processes.read_pid_file(pid_file)
    if process is None:
        return None
    try:
        tree = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    sizes = [_read_process(member) for member in tree]
    return BrowserMemory(
        sum(size for size, _ in sizes), max((size for size, is_page in sizes if is_page), default=0)
    )


def _read_process(process: psutil.Process) -> tuple[int, bool]:
    """Its resident memory, and whether it renders a page; an ended process has none."""
    try:
        return process.memory_info().rss, "--type=renderer" in process.cmdline()
    except psutil.Error:
        return 0, False
