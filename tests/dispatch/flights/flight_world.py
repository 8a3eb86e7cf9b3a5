"""A dispatcher in memory: phone stage, scheduler and resolver on one log; the test plays the senders.

The log is read by `run`. A crash loses what is not durable, and may let the last event be applied again.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any, cast

from streams.contract import account as accounts_contract
from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.dispatch.accounts import Accounts
from streams.dispatch.flights.claim_reader import ClaimsRead, ClaimsUnreadable
from streams.dispatch.flights.resolver import Resolver
from streams.dispatch.gauges import Gauges
from streams.dispatch.phone_stage import PhoneStage
from streams.dispatch.phone_store import PhoneStore
from streams.dispatch.timer_service import TimerService
from streams.domain.phone import events
from streams.domain.phone.events import Event, RequestInfo, RequestReceived, SourceRecord
from streams.domain.phone.state import InFlight
from streams.domain.policy import Policy
from streams.domain.sending import command
from streams.domain.sending.claim import Claim
from streams.domain.sending.command import SendCommand
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.testing.memory_table import (
    Disk,
    InMemoryPublisher,
    InMemoryStageMetrics,
    InMemoryTable,
)
from tests.support.stage_world import make_record_mapper

PHONE = "+60123456789"
NAMESPACE = "wa"
POLICY = Policy()


class FakeClaims:
    """The claims of all accounts. `error`: they cannot be read."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.rows: dict[str, Claim] = {}
        self.error: ClaimsUnreadable | None = None
        self.is_last_word = True
        self.reads: list[str] = []

    async def read(self, account: str, whatsapp_ids: Collection[str]) -> ClaimsRead:
        """See `Claims`."""
        self.reads.append(account)
        if self.error is not None:
            raise self.error
        rows = {whatsapp_id: self.rows.get(whatsapp_id) for whatsapp_id in whatsapp_ids}
        return ClaimsRead(rows, self._now_s(), self.is_last_word)

    async def close(self, except_accounts: Collection[str] = ()) -> None:
        """See `Claims`."""


class FlightMetrics:
    """Remembers what the resolver counts."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def count_resolved_flight(self, result: str) -> None:
        """See `FlightMetrics` of the resolver."""
        self.results.append(result)


class FlightWorld:
    """One partition of one dispatcher. The test moves `now_s`."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0  # the broker's clock
        self.mono_s = 0.0
        self.disk = Disk()
        self.claims = FakeClaims(lambda: self.now_s)
        self.metrics = FlightMetrics()
        self.offset = 0
        self._position = 0  # of the log: what is before it was applied
        self.start()

    def start(self) -> None:
        """A new process on the same disk: it knows the rows, and no account."""
        self.store = PhoneStore(cast("Any", InMemoryTable(self.disk)), 0)
        publisher = InMemoryPublisher(self.disk)
        self.accounts = Accounts(lambda: None, monotonic_s=lambda: self.mono_s)
        self.timer_service = TimerService(
            self.accounts,
            publisher,
            "phone",
            8,
            lambda: self.now_s,
            monotonic_s=lambda: self.mono_s,
        )
        self.stage = PhoneStage(
            POLICY,
            self.accounts,
            self.timer_service,
            Gauges(),
            make_record_mapper(),
            publisher,
            InMemoryStageMetrics(),
            lambda append_s: append_s,
        )
        self.resolver = Resolver(
            self.timer_service.flights,
            self.claims,
            publisher,
            self.metrics,
            phone_topic="phone",
            namespace=NAMESPACE,
            policy=POLICY,
            senders=self.accounts,
        )
        phones, _ = self.store.scan_phones(b"", 100)
        for row in phones:
            self.timer_service.load_phone(0, row)

    def restart(self, *, replayed: int = 0) -> None:
        """The process is killed and started again; so many events were not acknowledged."""
        self._position -= replayed
        self.start()

    # -- what happens

    def set_account(
        self, name: str, state: accounts_contract.AccountState, owner: str | None = None
    ) -> None:
        """The account's sender publishes its state."""
        since = format_rfc3339(self.now_s)
        record = AccountRecord(account=name, state=state, since=since, owner=owner)
        self.accounts.apply_record(name.encode(), accounts_contract.encode(record), self.now_s)

    def submit(self, request_id: str) -> None:
        """A request arrives."""
        record = SourceRecord(topic="wa.outbound", partition=0, offset=0, value=b"{}")
        request = RequestInfo(id=request_id)
        self.publish(
            RequestReceived(phone=PHONE, request=request, source_record=record, content=b"{}")
        )

    def publish(self, event: Event) -> None:
        """Append an event to the log, and apply it."""
        asyncio.run(self.stage.publisher.publish([_make_record(event)]))
        self.run()

    def run(self) -> None:
        """Apply everything that the log has."""
        log = [record for record in self.disk.topics if record.topic == "phone"]
        while self._position < len(log):
            data = log[self._position].value
            asyncio.run(self.stage.handle(self.store, self._position, data, self.now_s))
            self._position += 1
            log = [record for record in self.disk.topics if record.topic == "phone"]

    def pass_time(self, by_s: float) -> None:
        """Both clocks go on."""
        self.now_s += by_s
        self.mono_s += by_s

    def fire_timers(self, after_s: float) -> None:
        """What is due after this time happens."""
        self.pass_time(after_s)
        asyncio.run(self.stage.publisher.publish(self.timer_service.collect_due_records()))
        self.run()

    def resolve(self, after_s: float = 0.0, rounds: int = 3) -> None:
        """Some rounds of the resolver, after this time."""
        self.pass_time(after_s)
        for _ in range(rounds):
            asyncio.run(self.resolver.run_once())
            self.run()

    # -- what came of it

    def put_claim(self, request_id: str, claim: Claim, account: str = "main") -> None:
        """A sender of the account has stored this claim."""
        self.claims.rows[derive_whatsapp_id(NAMESPACE, account, PHONE, request_id)] = claim

    @property
    def in_flight(self) -> InFlight | None:
        """The dispatch in flight."""
        row = self.store.get_phone(PHONE)
        return row.in_flight if row is not None else None

    @property
    def commands(self) -> list[SendCommand]:
        """Everything that was dispatched, repeats included."""
        return [
            command.decode(record.value or b"", 0.0)
            for record in self.disk.topics
            if record.topic.startswith("send.")
        ]

    @property
    def outcome_count(self) -> int:
        """How many outcomes are in the log."""
        log = [events.decode(r.value or b"") for r in self.disk.topics if r.topic == "phone"]
        return sum(isinstance(event, events.Outcome) for event in log)


def _make_record(event: Event) -> Any:
    from streams.dispatch.publisher import OutgoingRecord

    return OutgoingRecord("phone", events.encode(event), key=event.phone.encode(), partition=0)
