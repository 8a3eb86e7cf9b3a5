"""A campaign from a file over three accounts, while each process is killed once and the command is interrupted.

The sandbox's log and the audit agree: each row was sent exactly once; `wa.batches` is right at the end.
CAMPAIGN_ROWS (10000) sets its size; three in a hundred rows are not valid.
"""

import asyncio
import csv
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from streams.contract.batch import BatchProgress, decode
from tests.chaos.support.running_stack import RunningStack, run_stack
from tests.support.sandbox import SandboxControl
from tests.support.verdict import check_by_audit, judge
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(3600)]

ROWS = int(os.environ.get("CAMPAIGN_ROWS", "10000"))
ACCOUNTS = ("north", "south", "west")
FINISH_TIMEOUT_S = 2400.0
READY_TIMEOUT_S = 120.0
INTERRUPT_AT = 0.3  # of the messages


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    """A running `up` with three accounts."""
    with run_stack(tmp_path, limit=30, accounts=ACCOUNTS) as stack:
        yield stack


@dataclass
class Campaign:
    """A file of rows, and the command that sends them; the command may be interrupted and run again."""

    stack: RunningStack
    file: Path
    texts: list[str] = field(default_factory=list)  # of the valid rows
    lines: list[bytes] = field(default_factory=list)  # what the command printed

    def write_file(self) -> None:
        """A number, a name and an order in each row; three in a hundred numbers are too short."""
        with self.file.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["to", "text"])
            for row in range(ROWS):
                is_valid = row % 100 not in (7, 47, 87)
                text = f"campaign/{row}"
                writer.writerow([f"+60115{row:06}" if is_valid else f"+60 {row % 10}", text])
                self.texts += [text] if is_valid else []

    @property
    def progress(self) -> BatchProgress | None:
        """The last progress that the command printed."""
        return decode(self.lines[-1]) if self.lines else None

    def share_done(self) -> float:
        """Which part of the messages has ended."""
        return self.progress.done / self.progress.total if self.progress is not None else 0.0

    async def run(self, interrupt_at: float = 2.0) -> int:
        """Run the command, interrupt it once this share is done, and return its exit code."""
        process = await asyncio.create_subprocess_exec(
            *self.stack.command("batch", str(self.file), "--skip-invalid", "--json"),
            env=self.stack.environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        is_interrupted = False
        async for line in process.stdout:
            self.lines.append(line)
            if self.share_done() >= interrupt_at and not is_interrupted:
                is_interrupted = True
                process.send_signal(signal.SIGINT)
        return await process.wait()

    async def run_until_finished(self) -> int:
        """Run the command again whenever Kafka cannot be reached, as its error says; returns the last exit code."""
        while True:
            exit_code = await self.run()
            if self.progress is not None and self.progress.finished_at is not None:
                return exit_code


async def kill_each_service_once(stack: RunningStack, campaign: Campaign) -> Counter[str]:
    """Kill one service after another, spread over the campaign; each must come back before the next."""
    killed: Counter[str] = Counter()
    names = [name for name in await asyncio.to_thread(stack.services) if name != "sandbox"]
    for number, name in enumerate(names):
        share = 0.9 * (number + 0.5) / len(names)
        await wait_until(
            lambda share=share: campaign.share_done() >= share, timeout_s=FINISH_TIMEOUT_S
        )
        assert await asyncio.to_thread(stack.kill, name)
        killed[name] += 1
        print(f"  {name} killed at {campaign.share_done():.0%}", flush=True)
        await wait_until(
            lambda: asyncio.to_thread(stack.is_ready),
            timeout_s=READY_TIMEOUT_S,
            message=f"{name} did not come back",
        )
    return killed


async def watch_memory(stack: RunningStack, peaks: dict[str, Counter[str]]) -> None:
    """Keep the largest sample of each service, in MB by kind of process."""
    while True:
        for name, service in (await asyncio.to_thread(stack.services)).items():
            is_tree = name.startswith("browser-")
            sample = await asyncio.to_thread(measure_memory_mb, service["pid"], is_tree=is_tree)
            if sample.total() > peaks.get(name, Counter[str]()).total():
                peaks[name] = sample
        await asyncio.sleep(2.0)


def measure_memory_mb(pid: int | None, *, is_tree: bool) -> Counter[str]:
    """Private memory (USS), by kind: of a browser, that of all its processes, without Playwright's driver."""
    sizes_mb: Counter[str] = Counter()
    if pid is None:  # psutil would take our own process, and so the whole stack
        return sizes_mb
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        children = process.children(recursive=True) if is_tree else []
        for member in (process, *children):
            with suppress(psutil.Error):
                types = [word[7:] for word in member.cmdline() if word.startswith("--type=")]
                used_mb = member.memory_full_info().uss / 2**20
                sizes_mb[types[0] if types else "main"] += round(used_mb)
    return sizes_mb


async def test_each_row_is_sent_exactly_once(stack: RunningStack, tmp_path: Path) -> None:
    """Every service is killed once; Ctrl-C ends the command, which then goes on, and is run once more at the end."""
    status = await asyncio.to_thread(stack.wait_until_ready)
    settings = replace(stack.settings, kafka_bootstrap_servers=status["kafka"])
    campaign = Campaign(stack, tmp_path / "campaign.csv")
    campaign.write_file()
    started_s = time.monotonic()
    peaks_mb: dict[str, Counter[str]] = {}
    async with asyncio.timeout(FINISH_TIMEOUT_S), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch_memory(stack, peaks_mb))
        killing = tasks.create_task(kill_each_service_once(stack, campaign))
        assert await campaign.run(interrupt_at=INTERRUPT_AT) == 130
        print(f"  interrupted at {campaign.share_done():.0%}", flush=True)
        exit_code = await campaign.run_until_finished()
        elapsed_s = time.monotonic() - started_s
        killed = await killing
        watching.cancel()
    assert await campaign.run() == exit_code  # once more, after the end
    verdict = judge(await SandboxControl(status["sandbox"]).fetch_log())
    progress = campaign.progress
    assert progress is not None
    print(
        f"\n{len(campaign.texts)} messages of {ROWS} rows in {elapsed_s:.0f} s ({len(campaign.texts) / elapsed_s:.0f}"
        f" a second); killed: {dict(killed)}; {progress}\n"
        f"accounts {dict(Counter(rows[0]['from'] for rows in verdict.shown.values()))}\n"
        f"peak memory in MB: { {name: dict(sizes_mb) for name, sizes_mb in peaks_mb.items()} }",
        flush=True,
    )
    assert exit_code == (0 if progress.unknown == 0 else 1)
    assert verdict.duplicates == []
    not_shown = verdict.find_lost(campaign.texts)
    assert len(not_shown) <= progress.unknown  # of an unknown one, nobody knows
    assert len(verdict.shown) + len(not_shown) == len(campaign.texts)
    assert progress.total == progress.accepted == len(campaign.texts)
    assert progress.sent + progress.unknown == progress.total
    assert progress.finished_at is not None
    await check_by_audit(settings)
