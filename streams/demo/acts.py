"""The acts of the demo: what is requested, replayed and awaited, in their order. The verdict is `judge`'s."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer

from streams.client import SENT_STATUSES, WhatsApp
from streams.contract.status import StatusEvent
from streams.contract.timestamps import format_rfc3339
from streams.demo import judge
from streams.demo.campaign import (
    BATCH_ID,
    OPTED_OUT_PHONE,
    SCHEDULED_IN_S,
    TEMPLATE,
    build_cancelled_request,
    build_members,
    build_scheduled_request,
    build_unwanted_request,
    encode_batch,
    encode_cancel,
)
from streams.demo.judge import Evidence, Finding
from streams.demo.screen import DemoScreen
from streams.demo.script import (
    FLOOD_SIZE,
    FLOODED_PHONE,
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
from streams.operations.batches.sending import read_progress
from streams.operations.consent import read_consents
from streams.operations.selection import DeadLetterFilter, select
from streams.operations.templates import parse_templates, put_templates
from streams.sandbox.client import SandboxClient
from streams.system.tasks import race

LOOKUP_CACHE_S: Final = 1
_ANSWER_TIMEOUT_S: Final = 1.0  # a dead letter follows its status
_CONSENT_POLL_S: Final = 0.2
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
        await self._play_campaign()
        await self._play_scheduled()
        await self._play_opt_out()
        await self._wait_until(self._are_all_finished)

    async def _produce(self, requests: Sequence[DemoRequest], step: str) -> None:
        self._screen.show_step(step)
        self._requests += requests
        await self._produce_records([(request.key, request.value) for request in requests])

    async def _produce_records(self, records: Sequence[tuple[bytes | None, bytes]]) -> None:
        outbound = names(self._settings).outbound
        async with AIOKafkaProducer(**producer_options(self._settings)) as producer:
            deliveries = [await producer.send(outbound, value, key=key) for key, value in records]
            await asyncio.gather(*deliveries)

    async def _play_scheduled(self) -> None:
        """One message waits for its time; another one is withdrawn while it waits."""
        now_s = time.time()
        send_at_s = now_s + SCHEDULED_IN_S
        scheduled = build_scheduled_request(format_rfc3339(send_at_s), send_at_s)
        cancelled = build_cancelled_request(format_rfc3339(now_s + 3600))
        await self._produce(
            [scheduled, cancelled], f"a message in {SCHEDULED_IN_S:g} s, and one in an hour"
        )
        await self._wait_until(lambda: "accepted" in self._status_events.get(cancelled.id, {}))
        self._screen.show_step("the one in an hour is withdrawn")
        await self._produce_records([(cancelled.key, encode_cancel(cancelled))])

    async def _play_campaign(self) -> None:
        """A batch from a template, just after one account was logged out by its phone."""
        await put_templates(self._settings, parse_templates("demo", orjson.dumps(TEMPLATE)))
        # A receipt that comes while the account is logged out never reaches it.
        await self._wait_until(self._is_nothing_under_way)
        account = (await self._fetch_account_phones())[0]
        self._screen.show_step(f"{account} logs this device out: the other account sends for it")
        await asyncio.to_thread(self._sandbox.add_faults, {"logout": True}, account=account)
        members = build_members()
        self._requests += members
        self._screen.show_step(f"a campaign of {len(members)} messages from a template")
        await self._produce_records([(BATCH_ID.encode(), encode_batch(members))])

    async def _play_opt_out(self) -> None:
        """Somebody writes STOP, and gets no marketing message any more."""
        account = (await self._fetch_account_phones())[-1]
        self._screen.show_step(f"{OPTED_OUT_PHONE} writes STOP")
        await asyncio.to_thread(self._sandbox.write_to_account, OPTED_OUT_PHONE, account, "STOP")
        while not await self._has_opted_out():  # noqa: ASYNC110 - the topic gives no event
            await asyncio.sleep(_CONSENT_POLL_S)
        await self._produce([build_unwanted_request()], "marketing for them is refused")

    async def _has_opted_out(self) -> bool:
        consents = await read_consents(self._settings)
        return any(
            consent.phone == OPTED_OUT_PHONE and consent.consent == "opted_out"
            for consent in consents
        )

    async def _fetch_account_phones(self) -> list[str]:
        overview = await asyncio.to_thread(self._sandbox.fetch_overview)
        return [account.phone for account in overview.accounts]

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

    def _is_nothing_under_way(self) -> bool:
        """Each request is finished, but for those that the flooded phone may not receive yet."""
        flood = [request for request in self._requests if request.to == FLOODED_PHONE]
        others = [request for request in self._requests if request.to != FLOODED_PHONE]
        sent = [request for request in flood if self._find_sent_event(request.id) is not None]
        return len({request.id for request in sent}) == RATE_LIMIT_PER_MINUTE and all(
            self._is_finished(request) for request in (*others, *sent)
        )

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
            batch=await read_progress(self._settings, BATCH_ID),
        )
