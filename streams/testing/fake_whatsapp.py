"""The WhatsApp of the fake driver: what a test makes of it, and what a session of it publishes.

It implements no call of the port: fake_driver.py does.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from streams.testing.fake_incoming import FakeIncomingStore
from streams.testing.fake_store import FakeStore, SentMessage
from streams.whatsapp.driver import (
    RECEIPT_KINDS_BY_ACK,
    AckCounts,
    AckLevel,
    InDoubt,
    LateRefusal,
    NewChatQuota,
    NotSubmitted,
    Phase,
    Receipt,
    ReceiptKind,
    Received,
    ServerAccepted,
    ServerRefused,
    SessionState,
    Submission,
    SubmitResult,
    TimeLock,
)
from streams.whatsapp.errors import BrowserError
from streams.whatsapp.groups import Group
from streams.whatsapp.incoming import IncomingHint, IncomingMessage

_ACKS: Mapping[ReceiptKind, int] = {kind: ack for ack, kind in RECEIPT_KINDS_BY_ACK.items()}


def chat_of(phone: str) -> str:
    """The id of the chat with this number."""
    return f"{phone.removeprefix('+')}@c.us"


@dataclass(frozen=True, slots=True)
class Script:
    """What the next submit comes to: the ack in the store (None: no entry), and its result."""

    result: SubmitResult | Exception
    ack: int | None = None
    arrives: bool = False
    is_pending: bool = False
    may_return: asyncio.Event | None = None  # the submit returns when it is set


class FakeWhatsApp(FakeIncomingStore):
    """The account, its store and its session. A test scripts it through these methods."""

    def __init__(
        self,
        *,
        phone: str = "+905550000001",
        is_linked: bool = True,
        now_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.store = FakeStore()
        self.submissions: list[Submission] = []  # every submit that was begun
        self.lookups: list[str] = []  # every number that was looked up
        self.deleted_chats: list[str] = []
        self.typing: list[
            tuple[str, bool, int]
        ] = []  # chat, whether it began, messages sent before
        self.start_count = 0
        self.garbage_collections = 0
        self.reconnect_count = 0
        self.is_lookup_broken = False  # look-ups of numbers and of messages give no answer
        self.needs_reload = False  # the next `collect_garbage` reloads the page
        self.is_handler_silent = False  # receipts are read from the models alone
        self.acquaintances: set[str] = set()  # chats whose people wrote to the account: not new
        self.groups: list[Group] = []
        self._phone = phone
        self._now_s = now_s
        self.monotonic_s = monotonic_s
        self._is_linked = is_linked
        self._link_count = 1
        self._is_running = False
        self._start_errors: deque[BrowserError] = deque()
        self._scripts: deque[Script] = deque()
        self._missing_phones: set[str] = set()
        self.canonical_phones: dict[str, str] = {}  # the number of the chat that another number has
        self._ack_counts = AckCounts()
        self._degraded: tuple[str, ...] = ()
        self._time_lock: TimeLock | None = None
        self._new_chat_quota: NewChatQuota | None = None
        self._turns: dict[str, asyncio.Future[bool]] = {}  # whether a submit was accepted
        self._waiting_turns: set[asyncio.Future[bool]] = set()  # of the submits that wait
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        self._delay: asyncio.Event | None = None  # of the submit that is being made
        self._session = SessionState(Phase.STOPPED, since_s=now_s())
        self._session_queues: set[asyncio.Queue[SessionState]] = set()
        self._incoming: asyncio.Queue[Received | None] = asyncio.Queue()

    @property
    def sent(self) -> list[SentMessage]:
        """What the recipients' phones show, oldest first."""
        return self.store.shown

    # -- the script: what a test makes of it

    def fail_next_start(self, error: BrowserError) -> None:
        """The next `start` raises this; errors queue up."""
        self._start_errors.append(error)

    def reject_next_submit(self, code: str, detail: str = "", until_s: float | None = None) -> None:
        """The next submit ends before the message leaves the page."""
        self._scripts.append(Script(NotSubmitted(code, detail, until_s)))

    def refuse_next_submit(self, server_code: int = 500, detail: str = "") -> None:
        """The server answers the next submit with an error."""
        self._scripts.append(Script(ServerRefused(server_code, detail), ack=-1))

    def refuse_pending(self, server_code: int) -> None:
        """The server refuses, late, each message whose ack was lost."""
        for whatsapp_id in self.store.refuse_pending(server_code):
            self.emit(LateRefusal(whatsapp_id, server_code))
        self._end_turns()

    def _end_turns(self) -> None:
        """Nothing that was handed over before follows another message."""
        for stop in self._waiting_turns:
            if not stop.done():
                stop.set_result(False)
        self._turns.clear()

    def lose_next_ack(self, *, arrives: bool = True) -> None:
        """The ack of the next message does not come: the message is pending. `arrives`: the server has it."""
        result = InDoubt("outcome_unknown", "the ack is lost")
        script = Script(result, ack=AckLevel.PENDING, arrives=arrives, is_pending=True)
        self._scripts.append(script)

    def delay_next_ack(self) -> asyncio.Event:
        """The next message reaches the server; its submit returns when the event is set."""
        may_return = asyncio.Event()
        result = ServerAccepted(self._now_s())
        self._scripts.append(Script(result, AckLevel.SERVER, arrives=True, may_return=may_return))
        return may_return

    def fail_next_submit(self, *, arrives: bool) -> None:
        """The page itself fails under the next submit: the message counts as failed in the store."""
        result = InDoubt("outcome_unknown", "ERROR_UNKNOWN")
        self._scripts.append(Script(result, ack=-1, arrives=arrives))

    def lose_next_page(self, *, arrives: bool, is_stored: bool = False) -> None:
        """The page is lost under the next submit.

        If the message arrived, the store knows it later. `is_stored`: the store has it at ack 0, and the
        next page sends it no more.
        """
        result = InDoubt("outcome_unknown", "the page is lost")
        ack = AckLevel.PENDING if is_stored else AckLevel.SERVER if arrives else None
        self._scripts.append(Script(result, ack=ack, arrives=arrives))

    def break_next_submit(self, error: Exception) -> None:
        """The next submit raises, which no driver may do: a bug."""
        self._scripts.append(Script(error))

    def hold_submits(self) -> None:
        """Submits reach the server, and do not return before `release_submits`."""
        self._may_answer.clear()

    def release_submits(self) -> None:
        """Let submits return again."""
        self._may_answer.set()

    def remove_number(self, phone: str) -> None:
        """This number is not on WhatsApp."""
        self._missing_phones.add(phone)

    def set_phase(
        self, phase: Phase, *, reason: str | None = None, until_s: float | None = None
    ) -> None:
        """The session is in this phase from now on; STOPPED: the driver gives up by itself."""
        if phase is Phase.STOPPED:
            self._end(reason)
            return
        is_ready = phase is Phase.READY
        self._publish(
            SessionState(
                phase,
                self._phone,
                reason=reason,
                link=self.link,
                degraded=self._degraded,
                until_s=until_s,
                time_lock=self._time_lock if is_ready else None,
                new_chat_quota=self._new_chat_quota if is_ready else None,
            )
        )

    def restrict_new_chats(
        self, time_lock: TimeLock | None = None, quota: NewChatQuota | None = None
    ) -> None:
        """WhatsApp allows no new chats, or so many; without arguments, it does again."""
        self._time_lock, self._new_chat_quota = time_lock, quota
        self.set_phase(self._session.phase)

    def remove_symbols(self, *names: str) -> None:
        """An update has removed these (`group/name`): the page can tell no limits any more."""
        self._degraded = names
        self.restrict_new_chats()

    def reload_page(self) -> None:
        """A new page takes over: nothing sends any more what was pending."""
        self.store.change_page()
        self.set_phase(Phase.SYNCING)
        self.set_phase(Phase.READY)

    def link_account(self, phone: str | None = None) -> None:
        """A person links the account, again or for the first time: a new link with an empty store.

        `phone`: with this phone, and not with the one of the driver.
        """
        self._phone = phone or self._phone
        self.set_phase(Phase.LINKING)
        self._is_linked = True
        self.store.clear()
        self._link_count += 1
        self.set_phase(Phase.READY)

    def emit(self, incoming: Received) -> None:
        """The page reports a receipt, or that there is something to read; the ack of a message follows its receipt."""
        if isinstance(incoming, Receipt):
            self.store.raise_ack(incoming.whatsapp_id, _ACKS[incoming.kind])
            self._count(incoming)
        self._incoming.put_nowait(incoming)

    def emit_message(self, message: IncomingMessage) -> None:
        """A message to the account arrives, and the page reports that there is something to read."""
        if message.phone is not None:
            self.acquaintances.add(chat_of(message.phone))
        self.store_message(message)
        self.emit(IncomingHint())

    def emit_receipt(self, whatsapp_id: str, kind: ReceiptKind) -> None:
        """The recipient's phone reports this of a message, or with `sent` the server."""
        self.emit(Receipt(whatsapp_id, kind, self._now_s()))

    def _count(self, receipt: Receipt) -> None:
        if receipt.kind != "sent":
            counts = self._ack_counts
            heard = counts.heard + (not self.is_handler_silent)
            self._ack_counts = AckCounts(heard, counts.read + 1)

    def set_ack(self, whatsapp_id: str, ack: int) -> None:
        """The ack in the store changes, and no event reports it. A message at ack 0 is not pending."""
        self.store.set_ack(whatsapp_id, ack)

    @property
    def link(self) -> str:
        """The name of the present link."""
        return f"link-{self._link_count}"

    def _end(self, reason: str | None) -> None:
        if self._is_running:
            self._is_running = False
            self._publish(SessionState(Phase.STOPPED, self._phone, reason=reason, link=self.link))
            self._incoming.put_nowait(None)

    def _publish(self, session: SessionState) -> None:
        is_new_phase = session.phase is not self._session.phase
        session = replace(session, since_s=self._now_s() if is_new_phase else self._session.since_s)
        if session != self._session:
            self._session = session
            for queue in self._session_queues:
                queue.put_nowait(session)
