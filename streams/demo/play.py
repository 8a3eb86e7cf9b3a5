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
from streams.cli.selection import Selection
from streams.client import SENT_STATUSES, WhatsApp
from streams.contract.status import StatusEvent
from streams.demo import judge, screen
from streams.demo.judge import Evidence, Line
from streams.demo.screen import SIMULATED, Show
from streams.demo.script import (
    FLOOD,
    LIMIT,
    NOT_ON_WHATSAPP,
    STRANGER,
    TO_REACT,
    TO_REPLY,
    Asked,
    first_to,
    opening,
    second_act,
)
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.local import run_dir
from streams.local.stack import Fleet, Options
from streams.operations.errors import Failed
from streams.sandbox.client import Sandbox
from streams.settings import PREFIX, Settings, load
from streams.supervisor.process import adopt_orphans, end_orphans
from streams.supervisor.shutdown import Stop

_KEPT = ("BROWSER_EXECUTABLE", "WEB_BUNDLE", "LOG_LEVEL")  # settings of the machine, not of a job
_LOOKUP_CACHE_S = 1
_SETTLED_WITHIN_S = 180.0  # the flooded phone alone takes a minute
_ORPHANS_LEAVE_WITHIN_S = 5.0


@click.command()
@output.json_option
def demo(as_json: bool) -> int:
    """Show the main job: sixty requests, a flood, bad ones and a replay, on a simulated WhatsApp."""
    folder = Path(tempfile.mkdtemp(prefix="wa-demo-"))
    try:
        return _demo(_settings(folder), as_json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(folder: Path) -> Settings:
    """Nobody's settings but those of this machine; any free port; limits that can be watched."""
    nothing_more = folder / "nothing.toml"
    nothing_more.touch()
    machine = {PREFIX + name: os.environ.get(PREFIX + name, "") for name in _KEPT}
    return load(
        machine | {PREFIX + "CONFIG": str(nothing_more)},
        data_dir=str(folder),
        kafka_port=0,
        web_port=0,
        sandbox_port=0,
        partitions=4,
        rate_limit_per_minute=LIMIT,
        account_rate_per_minute=0,
        lookup_cache_s=_LOOKUP_CACHE_S,
    )


def _demo(settings: Settings, as_json: bool) -> int:
    begun_s = time.monotonic()
    with run_dir.claimed(settings), screen.make(as_json=as_json) as show:
        adopt_orphans()
        try:
            verdict = asyncio.run(_play(settings, show))
        finally:
            end_orphans(_ORPHANS_LEAVE_WITHIN_S)
    _print(verdict, time.monotonic() - begun_s, as_json)
    if any(line.wrong for line in verdict):
        raise Failed(f"what arrived and what was said do not agree (logs: {_kept_logs(settings)})")
    return 0


async def _play(settings: Settings, show: Show) -> list[Line]:
    verdict: list[Line] = []
    options = Options(sandbox=True, sandbox_options=("--auto-scan",))
    async with Fleet(settings, options, changed=show.part, progress=show.step) as fleet:
        stop = Stop(kill=fleet.kill, say=show.step)

        async def acts() -> None:
            show.step("starting Kafka, the simulated WhatsApp, a dispatcher and a sender")
            await fleet.start()
            verdict.extend(await _Demo(fleet, show).run())

        if not await stop.unless(acts()):
            raise Failed("the demo was interrupted; everything has been ended")
        show.step("ending everything")
    return verdict


class _Demo:
    """The acts, on a service that is ready."""

    def __init__(self, fleet: Fleet, show: Show) -> None:
        assert fleet.sandbox is not None
        self._settings = fleet.settings
        self._sandbox = Sandbox(fleet.sandbox)
        self._show = show
        self._asked: list[Asked] = []
        self._replayed: list[str] = []
        self._heard: dict[str, dict[str, StatusEvent]] = {}  # by request, by status
        self._news = asyncio.Event()

    async def run(self) -> list[Line]:
        """All acts; returns the verdict."""
        async with WhatsApp(settings=self._settings) as whatsapp:
            listening = asyncio.create_task(self._listen(whatsapp))
            acting = asyncio.create_task(self._acts())
            try:
                async with asyncio.timeout(_SETTLED_WITHIN_S):
                    await asyncio.wait({listening, acting}, return_when=asyncio.FIRST_COMPLETED)
                for each in (listening, acting):
                    if each.done():
                        each.result()
            except TimeoutError:
                self._show.step("not all was answered in time; judging what there is")
            finally:
                listening.cancel()
                acting.cancel()
                await asyncio.wait({listening, acting})
            self._show.step("holding the simulated WhatsApp's log against the topics")
            return judge.judge(self._asked, await self._evidence(whatsapp), LIMIT)

    async def _acts(self) -> None:
        await asyncio.to_thread(self._sandbox.numbers, {STRANGER: {"on_whatsapp": False}})
        asked = opening()
        await self._ask(asked, f"asking for {len(asked)} messages, some of them bad")
        await self._until(lambda: self._stranger() is not None)
        await self._replay()
        replied, reacted = [await self._left(first_to(each)) for each in (TO_REPLY, TO_REACT)]
        await self._ask(second_act(replied, reacted), "an answer and a reaction to two of them")
        self._show.step(f"one phone was asked {FLOOD} messages: only {LIMIT} in any 60 seconds")
        await self._until(self._settled)

    async def _ask(self, requests: Sequence[Asked], text: str) -> None:
        self._show.step(text)
        self._asked += requests
        outbound = names(self._settings).outbound
        async with AIOKafkaProducer(**producer_options(self._settings)) as producer:
            sending = [await producer.send(outbound, each.value, key=each.key) for each in requests]
            await asyncio.gather(*sending)

    async def _replay(self) -> None:
        """The number joins WhatsApp, and its dead letter is asked for again."""
        self._show.step(f"{STRANGER} joins WhatsApp: its dead letter is replayed")
        await asyncio.to_thread(self._sandbox.numbers, {STRANGER: {"on_whatsapp": True}})
        # Until then the service does not ask WhatsApp again: WA_LOOKUP_CACHE_S.
        await asyncio.sleep(_LOOKUP_CACHE_S + 0.2)
        letters = await dead_letters.read(self._settings)
        picked = dead_letters.pick(letters, Selection(reason=NOT_ON_WHATSAPP))
        await dead_letters.republish(self._settings, picked, rate=10.0)
        self._replayed += [each.info.request_id for each in picked]

    async def _listen(self, whatsapp: WhatsApp) -> None:
        async for event in whatsapp.statuses(since_s=0.001):
            self._heard.setdefault(event.id, {})[event.status] = event
            self._show.event(event)
            self._news.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def _left(self, id: str) -> str:
        """The WhatsApp id of a request, once it is sent."""
        await self._until(lambda: self._sent(id) is not None)
        sent = self._sent(id)
        assert sent is not None
        assert sent.whatsapp_id is not None
        return sent.whatsapp_id

    def _sent(self, id: str) -> StatusEvent | None:
        heard = self._heard.get(id, {})
        return next((heard[status] for status in SENT_STATUSES if status in heard), None)

    def _stranger(self) -> StatusEvent | None:
        ids = (each.id for each in self._asked if each.to == STRANGER)
        return next(
            (self._heard[id]["failed"] for id in ids if "failed" in self._heard.get(id, {})), None
        )

    def _settled(self) -> bool:
        return all(self._is_settled(each) for each in self._asked)

    def _is_settled(self, asked: Asked) -> bool:
        if asked.ends == "sent" or asked.id in self._replayed:
            # WhatsApp Web gives a reaction an id of its own, so no receipt can be told to be its.
            heard = self._heard.get(asked.id, {})
            return ("sent" if asked.kind == "reaction" else "delivered") in heard
        if asked.id:
            return asked.ends in self._heard.get(asked.id, {})
        # A record that cannot be read has no id of its own; it is named after its place.
        errors = (heard[asked.ends].error for heard in self._heard.values() if asked.ends in heard)
        return any(error is not None and error.code == asked.code for error in errors)

    async def _evidence(self, whatsapp: WhatsApp) -> Evidence:
        return Evidence(
            log=await asyncio.to_thread(self._sandbox.log),
            events=[event async for event in whatsapp.history()],
            letters=await dead_letters.read(self._settings),
            replayed=self._replayed,
        )


def _print(verdict: Sequence[Line], took_s: float, as_json: bool) -> None:
    if as_json:
        for line in verdict:
            output.document({"ok": not line.wrong, **asdict(line)})
        return
    output.data("\nWhat the simulated WhatsApp's log and the topics say:")
    for line in verdict:
        output.data(f"  {'ok   ' if not line.wrong else 'WRONG'} {line.name:<13} {line.said}")
        for each in line.wrong:
            output.data(f"        {each}")
    output.data(f"{took_s:.0f} s. {SIMULATED}")


def _kept_logs(settings: Settings) -> str:
    """The logs are kept where something went wrong."""
    kept = tempfile.mkdtemp(prefix="wa-demo-logs-")
    shutil.copytree(settings.data_dir / "logs", kept, dirs_exist_ok=True)
    return kept
