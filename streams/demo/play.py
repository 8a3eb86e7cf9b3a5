"""`demo`: the main job on this machine, against the simulated WhatsApp, judged by what arrived.

Everything is started anew in a temporary folder on any free ports, and ended with it; so it can be
run twice, also at the same time.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from aiokafka import AIOKafkaProducer

from streams.cli import dead_letters, output
from streams.cli.selection import DeadLetterFilter
from streams.client import SENT_STATUSES, WhatsApp
from streams.contract.status import StatusEvent
from streams.demo import judge, screen
from streams.demo.judge import Evidence, Finding
from streams.demo.screen import SIMULATION_NOTICE, DemoScreen
from streams.demo.script import (
    FLOOD_SIZE,
    NOT_ON_WHATSAPP,
    RATE_LIMIT_PER_MINUTE,
    REACTION_PHONE,
    REPLY_PHONE,
    STRANGER_PHONE,
    DemoRequest,
    build_first_act,
    build_second_act,
    find_first_request_id,
)
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.local import run_dir
from streams.local.stack import LocalStack, StackOptions
from streams.operations.errors import CommandFailed
from streams.sandbox.client import SandboxClient
from streams.settings import PREFIX, Settings, load
from streams.supervisor.process import adopt_orphans, kill_orphans
from streams.supervisor.shutdown import ShutdownSignal

_MACHINE_SETTINGS = (
    "BROWSER_EXECUTABLE",
    "WHATSAPP_BUNDLE",
    "LOG_LEVEL",
)  # settings of the machine, not of a job
_LOOKUP_CACHE_S = 1
_FINISH_TIMEOUT_S = 180.0  # the flooded phone alone takes a minute
_ORPHAN_EXIT_TIMEOUT_S = 5.0


@click.command()
@output.json_option
def demo(as_json: bool) -> int:
    """Show the main job: sixty requests, a flood, bad ones and a replay, on a simulated WhatsApp."""
    folder = Path(tempfile.mkdtemp(prefix="wa-demo-"))
    try:
        return _run_demo(_make_settings(folder), as_json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_settings(folder: Path) -> Settings:
    """Nobody's settings but those of this machine; any free port; limits that can be watched."""
    empty_config = folder / "nothing.toml"
    empty_config.touch()
    machine_settings = {
        PREFIX + name: os.environ.get(PREFIX + name, "") for name in _MACHINE_SETTINGS
    }
    return load(
        machine_settings | {PREFIX + "CONFIG": str(empty_config)},
        data_dir=str(folder),
        kafka_port=0,
        web_port=0,
        sandbox_port=0,
        partitions=4,
        rate_limit_per_minute=RATE_LIMIT_PER_MINUTE,
        account_rate_per_minute=0,
        lookup_cache_s=_LOOKUP_CACHE_S,
    )


def _run_demo(settings: Settings, as_json: bool) -> int:
    started_s = time.monotonic()
    with run_dir.hold_lock(settings), screen.make_screen(as_json=as_json) as show:
        adopt_orphans()
        try:
            verdict = asyncio.run(_play(settings, show))
        finally:
            kill_orphans(_ORPHAN_EXIT_TIMEOUT_S)
    _print_verdict(verdict, time.monotonic() - started_s, as_json)
    if any(line.problems for line in verdict):
        raise CommandFailed(
            f"what arrived and what was said do not agree (logs: {_keep_logs(settings)})"
        )
    return 0


async def _play(settings: Settings, screen: DemoScreen) -> list[Finding]:
    verdict: list[Finding] = []
    options = StackOptions(sandbox=True, sandbox_options=("--auto-scan",))
    async with LocalStack(
        settings, options, on_change=screen.show_service, on_progress=screen.show_step
    ) as stack:
        shutdown = ShutdownSignal(kill=stack.kill, on_message=screen.show_step)

        async def run_acts() -> None:
            screen.show_step("starting Kafka, the simulated WhatsApp, a dispatcher and a sender")
            await stack.start()
            verdict.extend(await _DemoRun(stack, screen).run())

        if not await shutdown.run_until(run_acts()):
            raise CommandFailed("the demo was interrupted; everything has been ended")
        screen.show_step("ending everything")
    return verdict


class _DemoRun:
    """The acts, on a service that is ready."""

    def __init__(self, stack: LocalStack, screen: DemoScreen) -> None:
        assert stack.sandbox_url is not None
        self._settings = stack.settings
        self._sandbox = SandboxClient(stack.sandbox_url)
        self._screen = screen
        self._requests: list[DemoRequest] = []
        self._replayed_ids: list[str] = []
        self._status_events: dict[str, dict[str, StatusEvent]] = {}  # by request, by status
        self._status_received = asyncio.Event()

    async def run(self) -> list[Finding]:
        """All acts; returns the verdict."""
        async with WhatsApp(settings=self._settings) as whatsapp:
            follow_task = asyncio.create_task(self._follow_statuses(whatsapp))
            acts_task = asyncio.create_task(self._play_acts())
            try:
                async with asyncio.timeout(_FINISH_TIMEOUT_S):
                    await asyncio.wait(
                        {follow_task, acts_task}, return_when=asyncio.FIRST_COMPLETED
                    )
                for each in (follow_task, acts_task):
                    if each.done():
                        each.result()
            except TimeoutError:
                self._screen.show_step("not all was answered in time; judging what there is")
            finally:
                follow_task.cancel()
                acts_task.cancel()
                await asyncio.wait({follow_task, acts_task})
            self._screen.show_step("holding the simulated WhatsApp's log against the topics")
            return judge.judge(
                self._requests, await self._collect_evidence(whatsapp), RATE_LIMIT_PER_MINUTE
            )

    async def _play_acts(self) -> None:
        await asyncio.to_thread(self._sandbox.set_numbers, {STRANGER_PHONE: {"on_whatsapp": False}})
        requests = build_first_act()
        await self._produce(requests, f"asking for {len(requests)} messages, some of them bad")
        await self._wait_until(lambda: self._find_stranger_failure() is not None)
        await self._replay_stranger()
        reply_to_id, react_to_id = [
            await self._wait_until_sent(find_first_request_id(each))
            for each in (REPLY_PHONE, REACTION_PHONE)
        ]
        await self._produce(
            build_second_act(reply_to_id, react_to_id), "an answer and a reaction to two of them"
        )
        self._screen.show_step(
            f"one phone was asked {FLOOD_SIZE} messages: only {RATE_LIMIT_PER_MINUTE} in any 60 seconds"
        )
        await self._wait_until(self._are_all_finished)

    async def _produce(self, requests: Sequence[DemoRequest], step: str) -> None:
        self._screen.show_step(step)
        self._requests += requests
        outbound = names(self._settings).outbound
        async with AIOKafkaProducer(**producer_options(self._settings)) as producer:
            deliveries = [
                await producer.send(outbound, each.value, key=each.key) for each in requests
            ]
            await asyncio.gather(*deliveries)

    async def _replay_stranger(self) -> None:
        """The number joins WhatsApp, and its dead letter is asked for again."""
        self._screen.show_step(f"{STRANGER_PHONE} joins WhatsApp: its dead letter is replayed")
        await asyncio.to_thread(self._sandbox.set_numbers, {STRANGER_PHONE: {"on_whatsapp": True}})
        # Until then the service does not ask WhatsApp again: WA_LOOKUP_CACHE_S.
        await asyncio.sleep(_LOOKUP_CACHE_S + 0.2)
        letters = await dead_letters.read_letters(self._settings)
        selected = dead_letters.select(letters, DeadLetterFilter(reason=NOT_ON_WHATSAPP))
        await dead_letters.republish(self._settings, selected, rate_per_s=10.0)
        self._replayed_ids += [each.info.request_id for each in selected]

    async def _follow_statuses(self, whatsapp: WhatsApp) -> None:
        async for event in whatsapp.statuses(since_s=0.001):
            self._status_events.setdefault(event.id, {})[event.status] = event
            self._screen.show_event(event)
            self._status_received.set()

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._status_received.clear()
            await self._status_received.wait()

    async def _wait_until_sent(self, id: str) -> str:
        """The WhatsApp id of a request, once it is sent."""
        await self._wait_until(lambda: self._find_sent_event(id) is not None)
        sent = self._find_sent_event(id)
        assert sent is not None
        assert sent.whatsapp_id is not None
        return sent.whatsapp_id

    def _find_sent_event(self, id: str) -> StatusEvent | None:
        events_by_status = self._status_events.get(id, {})
        return next(
            (events_by_status[status] for status in SENT_STATUSES if status in events_by_status),
            None,
        )

    def _find_stranger_failure(self) -> StatusEvent | None:
        ids = (each.id for each in self._requests if each.to == STRANGER_PHONE)
        return next(
            (
                self._status_events[id]["failed"]
                for id in ids
                if "failed" in self._status_events.get(id, {})
            ),
            None,
        )

    def _are_all_finished(self) -> bool:
        return all(self._is_finished(each) for each in self._requests)

    def _is_finished(self, request: DemoRequest) -> bool:
        if request.expected_status == "sent" or request.id in self._replayed_ids:
            # WhatsApp Web gives a reaction an id of its own, so no receipt can be told to be its.
            events_by_status = self._status_events.get(request.id, {})
            return ("sent" if request.kind == "reaction" else "delivered") in events_by_status
        if request.id:
            return request.expected_status in self._status_events.get(request.id, {})
        # A record that cannot be read has no id of its own; it is named after its place.
        errors = (
            events_by_status[request.expected_status].error
            for events_by_status in self._status_events.values()
            if request.expected_status in events_by_status
        )
        return any(error is not None and error.code == request.code for error in errors)

    async def _collect_evidence(self, whatsapp: WhatsApp) -> Evidence:
        return Evidence(
            log=await asyncio.to_thread(self._sandbox.fetch_log),
            events=[event async for event in whatsapp.history()],
            letters=await dead_letters.read_letters(self._settings),
            replayed=self._replayed_ids,
        )


def _print_verdict(verdict: Sequence[Finding], elapsed_s: float, as_json: bool) -> None:
    if as_json:
        for line in verdict:
            output.print_json({"ok": not line.problems, **asdict(line)})
        return
    output.print_data("\nWhat the simulated WhatsApp's log and the topics say:")
    for line in verdict:
        output.print_data(
            f"  {'ok   ' if not line.problems else 'WRONG'} {line.name:<13} {line.summary}"
        )
        for each in line.problems:
            output.print_data(f"        {each}")
    output.print_data(f"{elapsed_s:.0f} s. {SIMULATION_NOTICE}")


def _keep_logs(settings: Settings) -> str:
    """The logs are kept where something went wrong."""
    log_dir = tempfile.mkdtemp(prefix="wa-demo-logs-")
    shutil.copytree(settings.data_dir / "logs", log_dir, dirs_exist_ok=True)
    return log_dir
