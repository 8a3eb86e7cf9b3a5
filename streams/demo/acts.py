"""The acts of the demo: what is requested, replayed and awaited, in their order. The verdict is `judge`'s."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer

from streams.client import SENT_STATUSES, WhatsApp
from streams.contract.status import StatusEvent
from streams.demo import judge
from streams.demo.judge import Evidence, Finding
from streams.demo.screen import DemoScreen
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
from streams.local.stack import LocalStack
from streams.operations import dead_letters
from streams.operations.audit.reading import audit
from streams.operations.selection import DeadLetterFilter, select
from streams.sandbox.client import SandboxClient
from streams.system.tasks import race

LOOKUP_CACHE_S: Final = 1
_ANSWER_TIMEOUT_S: Final = 1.0  # a dead letter follows its status
_FINISH_TIMEOUT_S: Final = 180.0  # the flooded phone alone takes a minute


class DemoRun:
    """One run of the demo, on a stack that is ready."""

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
        """Play all acts; returns the verdict."""
        async with WhatsApp(settings=self._settings) as whatsapp:
            try:
                async with asyncio.timeout(_FINISH_TIMEOUT_S):
                    await race(self._play_acts(), self._follow_statuses(whatsapp))
            except TimeoutError:
                self._screen.show_step("some answers did not come in time; judging the others")
            self._screen.show_step("comparing the simulated WhatsApp's log with the topics")
            evidence = await self._collect_evidence(whatsapp)
            findings = judge.judge(self._requests, evidence, RATE_LIMIT_PER_MINUTE)
            return [
                *findings,
                judge.describe_audit(
                    await audit(self._settings, answer_timeout_s=_ANSWER_TIMEOUT_S)
                ),
            ]

    async def _play_acts(self) -> None:
        await asyncio.to_thread(self._sandbox.set_numbers, {STRANGER_PHONE: {"on_whatsapp": False}})
        requests = build_first_act()
        await self._produce(requests, f"requesting {len(requests)} messages, some of them invalid")
        await self._wait_until(lambda: self._find_stranger_failure() is not None)
        await self._replay_stranger()
        reply_to_id, react_to_id = [
            await self._wait_until_sent(find_first_request_id(phone))
            for phone in (REPLY_PHONE, REACTION_PHONE)
        ]
        await self._produce(
            build_second_act(reply_to_id, react_to_id), "a reply and a reaction to two of them"
        )
        self._screen.show_step(
            f"one phone has {FLOOD_SIZE} requests: at most {RATE_LIMIT_PER_MINUTE} are sent in any 60 s"
        )
        await self._wait_until(self._are_all_finished)

    async def _produce(self, requests: Sequence[DemoRequest], step: str) -> None:
        self._screen.show_step(step)
        self._requests += requests
        outbound = names(self._settings).outbound
        async with AIOKafkaProducer(**producer_options(self._settings)) as producer:
            deliveries = [
                await producer.send(outbound, request.value, key=request.key)
                for request in requests
            ]
            await asyncio.gather(*deliveries)

    async def _replay_stranger(self) -> None:
        """The number joins WhatsApp, and its dead letter is replayed."""
        self._screen.show_step(f"{STRANGER_PHONE} joins WhatsApp: its dead letter is replayed")
        await asyncio.to_thread(self._sandbox.set_numbers, {STRANGER_PHONE: {"on_whatsapp": True}})
        # Until then the sender believes its last look-up of the number: WA_LOOKUP_CACHE_S.
        await asyncio.sleep(LOOKUP_CACHE_S + 0.2)
        letters = await dead_letters.read_letters(self._settings)
        selected = select(letters, DeadLetterFilter(reason=NOT_ON_WHATSAPP))
        await dead_letters.replay(self._settings, selected, rate_per_s=10.0)
        self._replayed_ids += [letter.info.request_id for letter in selected]

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
        """The WhatsApp id of a request, once the request is sent."""
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
        ids = (request.id for request in self._requests if request.to == STRANGER_PHONE)
        return next(
            (
                self._status_events[id]["failed"]
                for id in ids
                if "failed" in self._status_events.get(id, {})
            ),
            None,
        )

    def _are_all_finished(self) -> bool:
        return all(self._is_finished(request) for request in self._requests)

    def _is_finished(self, request: DemoRequest) -> bool:
        if request.expected_status == "sent" or request.id in self._replayed_ids:
            # WhatsApp Web chooses the id of a reaction, so its receipts cannot be recognized.
            events_by_status = self._status_events.get(request.id, {})
            return ("sent" if request.kind == "reaction" else "delivered") in events_by_status
        if request.id:
            return request.expected_status in self._status_events.get(request.id, {})
        # A request that cannot be parsed has no id of its own; its id is its offset.
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
