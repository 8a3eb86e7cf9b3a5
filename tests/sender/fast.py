"""The sender's parts with a `FakeDriver` and a table in memory: no Kafka, no browser, no process.

A test moves the clock itself where a part takes one, and awaits conditions by letting the loop run.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import orjson
from prometheus_client import CollectorRegistry

from streams.contract.account import AccountRecord
from streams.domain.accounts.pace_rules import PaceRules
from streams.domain.accounts.pacing import Pace
from streams.domain.phone.events import Event, Outcome, Result
from streams.domain.sending import command as commands
from streams.domain.sending.claim import Claim
from streams.domain.sending.command import SendCommand
from streams.domain.sending.typing_indication import TypingRule
from streams.sender.account import AccountPublisher
from streams.sender.attempts.prelude import Prelude
from streams.sender.attempts.runner import AttemptRunner
from streams.sender.attempts.submitter import Fence, Limits
from streams.sender.browser_session import BrowserSession
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.sender.conclusion import ResultWriter
from streams.sender.metrics import Metrics
from streams.sender.new_chats import NewChatGuard
from streams.sender.pace.account_pace import AccountPace
from streams.sender.pipeline import SendPipeline
from streams.sender.receipts import ReceiptTracker
from streams.sender.restrictions import RestrictionStore
from streams.testing.fake_driver import FakeDriver
from streams.testing.memory_table import Disk, InMemoryTable
from streams.whatsapp.driver import LateRefusal, Phase, Receipt, Received, SessionState
from tests.sender.attempts.fake_media import FakeMedia


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition is true."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - any condition, without an event of its own
            await asyncio.sleep(0)


async def run_until_idle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)


@dataclass(eq=False)
class Record:
    """A record of the send topic."""

    value: bytes | None
    is_acked: bool = False

    def ack(self) -> None:
        """It is done with."""
        self.is_acked = True


class OpenFence:
    """A fence of a process that always owns the send topic."""

    async def ensure_member(self) -> None:
        """Return at once."""

    def heartbeat_age_s(self) -> float | None:
        """A fresh heartbeat."""
        return 0.0


@dataclass(eq=False)
class FastSender:
    """One ownership of the send topic, put together as in streams/sender/ownership.py."""

    driver: FakeDriver = field(default_factory=FakeDriver)
    disk: Disk = field(default_factory=Disk)
    limits: Limits = field(default_factory=lambda: Limits(ack_timeout_s=0.0, lease_s=3600.0))
    pace: Pace = field(default_factory=lambda: Pace(interval_s=0.0, per_minute=0))
    typing: TypingRule = field(default_factory=TypingRule)
    fence: Fence = field(default_factory=OpenFence)
    rules: PaceRules | None = None  # instead of `pace` alone
    events: list[Event] = field(default_factory=list)
    nacked: list[object] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    account_records: list[AccountRecord] = field(default_factory=list)
    media: FakeMedia = field(default_factory=FakeMedia)
    paced_count: int = 0
    is_to_forget: Callable[[Claim], bool] = lambda _: False

    def __post_init__(self) -> None:
        self._late_refusals: list[asyncio.Task[None]] = []
        self._numbers: Iterator[int] = itertools.count(1)
        self.now_s = time.time()  # of the broker; it stands still until a test moves it
        self.skipped_s = 0.0
        self.append_delay_s = 0.0  # the broker appends a row so long after it was written
        clock = self.clock = Clock(self.get_now_s, self.get_monotonic_s)
        # A page has the clock of its sender's machine.
        self.driver.monotonic_s = self.get_monotonic_s
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.send_end = 0  # of the send topic
        self.table = InMemoryTable(self.disk, lambda: self.now_s + self.append_delay_s)
        self.claims = ClaimStore(
            self.table,
            idempotency_window_s=3600.0,
            now_s=self.get_now_s,
            read_send_end=self._read_send_end,
            is_to_forget=lambda claim: self.is_to_forget(claim),
        )
        self.restrictions = RestrictionStore(
            self.claims, lambda: self.account_publisher.notify_change()
        )
        self.account_pace = AccountPace(
            self.rules or PaceRules(self.pace),
            claim_store=self.claims,
            restrictions=self.restrictions,
            clock=clock,
            random_fraction=lambda: 0.0,
        )
        self.pacer = self.account_pace.pacer
        self.new_chats = NewChatGuard(
            self.claims,
            self.restrictions,
            lambda: self.account_publisher.notify_change(),
            self.get_now_s,
            self.account_pace,
        )
        self.account_publisher = AccountPublisher(
            "main",
            owner="host:1",
            restrictions=self.restrictions,
            new_chats=self.new_chats,
            pace=self.account_pace,
            publish=self._publish_account,
            clock=clock,
        )
        self.receipts = ReceiptTracker(
            account="main",
            claim_store=self.claims,
            publish=self._publish,
            metrics=self.metrics,
            now_s=self.get_now_s,
        )
        self.session_states: list[SessionState] = []
        self.session = BrowserSession(
            lambda: self.metrics.acks.follow(self.driver),
            on_change=self._on_session_change,
            on_received=self._on_received,
            clock=clock,
        )
        self.runner = AttemptRunner(
            browser_session=self.session,
            claim_store=self.claims,
            pace=self.account_pace,
            restrictions=self.restrictions,
            new_chats=self.new_chats,
            limits=self.limits,
            prelude=Prelude(
                browser_session=self.session,
                pace=self.account_pace,
                new_chats=self.new_chats,
                typing=self.typing,
                clock=clock,
            ),
            fence=self.fence,
            on_paced=self._on_paced,
            on_refused=self.metrics.record_refusal,
            media=self.media,
            clock=clock,
        )
        self.pipeline = SendPipeline(
            account="main",
            namespace="wa",
            runner=self.runner,
            results=ResultWriter(
                account="main",
                claim_store=self.claims,
                publish=self._publish,
                on_concluded=self.receipts.watch,
                now_s=self.get_now_s,
            ),
            nack=self.nacked.append,
            on_failure=self.failures.append,
            metrics=self.metrics,
        )

    async def _read_send_end(self) -> int:
        return self.send_end

    def get_now_s(self) -> float:
        """The broker's clock."""
        return self.now_s

    def get_monotonic_s(self) -> float:
        """The monotonic clock."""
        return time.monotonic() + self.skipped_s

    def advance(self, seconds: float) -> None:
        """Time passes on both clocks, at once."""
        self.now_s += seconds
        self.skipped_s += seconds

    def _on_paced(self) -> None:
        self.paced_count += 1

    def _on_received(self, received: Received) -> None:
        if isinstance(received, Receipt):
            self.receipts.receive(received)
        elif isinstance(received, LateRefusal):
            self._late_refusals.append(asyncio.create_task(self.runner.refuse_late(received)))

    def _on_session_change(self, state: SessionState) -> None:
        self.session_states.append(state)
        self.restrictions.record_session(state)
        self.account_pace.update_session(state)
        self.new_chats.update_session(state)
        self.account_publisher.update_session(state)

    async def _publish(self, events: Sequence[Event]) -> None:
        await asyncio.sleep(0)
        self.events += events

    async def _publish_account(self, record: AccountRecord) -> None:
        self.metrics.record_account(record)
        self.account_records.append(record)

    # -- life

    async def open(self) -> None:
        """Begin, and wait until the session is ready."""
        await self.claims.open()
        self.restrictions.load()
        self.account_pace.load()
        self.new_chats.load()
        self.pipeline.open()
        self.session.open()
        await until(lambda: self.session.state.phase is Phase.READY)

    async def close(self) -> None:
        """End in the order of the real one."""
        await self.pipeline.close()
        await self.session.close()

    # -- the send topic

    async def dispatch(self, send: SendCommand) -> Record:
        """Deliver this command."""
        record = Record(commands.encode(send))
        await self.pipeline.accept(record, self.now_s, self.send_end)
        self.send_end += 1
        return record

    def outcomes(self, request_id: str | None = None) -> list[Outcome]:
        """What was published, of one request or of all."""
        return [
            event
            for event in self.events
            if isinstance(event, Outcome) and request_id in (None, event.id)
        ]

    async def wait_for_result(self, request_id: str, count: int = 1) -> Result:
        """Await the `count`-th outcome of this request."""
        await until(lambda: len(self.outcomes(request_id)) >= count)
        return self.outcomes(request_id)[count - 1].result

    async def send(self, send: SendCommand) -> Result:
        """Deliver this command and await its outcome."""
        count = len(self.outcomes(send.id)) + 1
        await self.dispatch(send)
        return await self.wait_for_result(send.id, count)


def make_command(
    request_id: str,
    *,
    number: int = 1,
    timeout_s: float = 3600.0,
    chat_id: str | None = "60123456789@c.us",
    phone: str = "+60123456789",
    **fields: object,
) -> SendCommand:
    """A dispatch of a text; the text is the request's id."""
    values = {"content": orjson.dumps({"type": "text", "body": request_id}), **fields}
    return SendCommand(
        phone=phone,
        id=request_id,
        dispatch_number=number,
        account="main",
        timeout_s=timeout_s,
        chat_id=chat_id,
        **values,  # pyright: ignore[reportArgumentType]
    )
