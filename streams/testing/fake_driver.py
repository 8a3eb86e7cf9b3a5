"""A driver without a browser: a scripted WhatsApp in memory, for tests of code that uses a `Driver`.

It keeps the promises of streams/whatsapp/driver.py: one contract suite runs on it and on the real driver
(tests/whatsapp/test_driver_contract.py). It remembers what reached the server, and a test can make it
refuse, lose acks, drop the session, change the link and emit receipts. It waits for no time to pass.

When not to use it: it knows nothing of pages, profiles, media, quoted messages or content that WhatsApp
refuses. To test whether a message can be sent at all, use the real driver and the sandbox.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from streams.whatsapp.diagnosis import Diagnosis
from streams.whatsapp.driver import (
    RECEIPT_KINDS_BY_ACK,
    AckCounts,
    FindResult,
    IncomingMessage,
    InDoubt,
    LookupFailed,
    LookUpResult,
    MessageFound,
    MessageNotFound,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    Phase,
    Receipt,
    ReceiptKind,
    ServerAccepted,
    ServerRefused,
    SessionState,
    Submission,
    SubmitResult,
)
from streams.whatsapp.errors import BrowserError

_ACKS: Mapping[ReceiptKind, int] = {kind: ack for ack, kind in RECEIPT_KINDS_BY_ACK.items()}
_NOT_READY_CODES = {
    Phase.RESTRICTED: "account_restricted",
    Phase.RECONNECTING: "disconnected",
    Phase.SYNCING: "disconnected",
}


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that reached WhatsApp's server."""

    whatsapp_id: str
    chat_id: str
    content: Mapping[str, object]
    at_s: float


@dataclass(frozen=True, slots=True)
class _Script:
    """What the next submit comes to: the ack in the store (None: no entry), and its result."""

    result: SubmitResult | Exception
    ack: int | None = None
    arrives: bool = False


class FakeDriver:
    """A `Driver`. It can be started again after `stop`: the account, its link and its store remain.

    With `is_linked=False` it shows a QR code after `start`, until `link_account` is called.
    """

    def __init__(
        self,
        *,
        phone: str = "+905550000001",
        is_linked: bool = True,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.sent: list[SentMessage] = []  # what reached the server, oldest first
        self.submissions: list[Submission] = []  # every call of `submit`
        self.lookups: list[str] = []  # every number that was looked up
        self.start_count = 0
        self.garbage_collections = 0
        self.reconnect_count = 0
        self.is_lookup_broken = False  # look-ups of numbers and of messages give no answer
        self.needs_reload = False  # the next `collect_garbage` reloads the page
        self._phone = phone
        self._now_s = now_s
        self._is_linked = is_linked
        self._link_count = 1
        self._is_running = False
        self._start_errors: deque[BrowserError] = deque()
        self._scripts: deque[_Script] = deque()
        self._missing_phones: set[str] = set()
        self._store: dict[str, int] = {}  # of this link: the ack of each id
        self._may_answer = asyncio.Event()
        self._may_answer.set()
        self._session = SessionState(Phase.STOPPED, since_s=now_s())
        self._session_queues: set[asyncio.Queue[SessionState]] = set()
        self._incoming: asyncio.Queue[Receipt | IncomingMessage | None] = asyncio.Queue()

    # -- the script: what a test makes of it

    def fail_next_start(self, error: BrowserError) -> None:
        """The next `start` raises this; errors queue up."""
        self._start_errors.append(error)

    def reject_next_submit(self, code: str, detail: str = "") -> None:
        """The next submit ends before the message leaves the page."""
        self._scripts.append(_Script(NotSubmitted(code, detail)))

    def refuse_next_submit(self, server_code: int = 500, detail: str = "") -> None:
        """The server answers the next submit with an error."""
        self._scripts.append(_Script(ServerRefused(server_code, detail), ack=-1))

    def lose_next_ack(self) -> None:
        """The server gets the next message, but its ack never comes: in the store it waits."""
        result = InDoubt("outcome_unknown", "the ack is lost")
        self._scripts.append(_Script(result, ack=0, arrives=True))

    def lose_next_page(self, *, arrives: bool) -> None:
        """The page is lost under the next submit. If the message arrived, the store knows it later."""
        result = InDoubt("outcome_unknown", "the page is lost")
        self._scripts.append(_Script(result, ack=1 if arrives else None, arrives=arrives))

    def break_next_submit(self, error: Exception) -> None:
        """The next submit raises, which no driver may do: a bug."""
        self._scripts.append(_Script(error))

    def hold_submits(self) -> None:
        """Submits reach the server, and do not return before `release_submits`."""
        self._may_answer.clear()

    def release_submits(self) -> None:
        """Let submits return again."""
        self._may_answer.set()

    def remove_number(self, phone: str) -> None:
        """This number is not on WhatsApp."""
        self._missing_phones.add(phone)

    def set_phase(self, phase: Phase, *, reason: str | None = None) -> None:
        """The session is in this phase from now on; STOPPED: the driver gives up by itself."""
        if phase is Phase.STOPPED:
            self._end(reason)
        else:
            self._publish(SessionState(phase, self._phone, reason=reason, link=self.link))

    def link_account(self) -> None:
        """A person links the account, again or for the first time: a new link with an empty store."""
        self._is_linked, self._store = True, {}
        self._link_count += 1
        self.set_phase(Phase.READY)

    def emit(self, incoming: Receipt | IncomingMessage) -> None:
        """The page reports a receipt or a message; the ack of a message that is known follows a receipt."""
        if isinstance(incoming, Receipt) and incoming.whatsapp_id in self._store:
            self._store[incoming.whatsapp_id] = _ACKS[incoming.kind]
        self._incoming.put_nowait(incoming)

    def emit_receipt(self, whatsapp_id: str, kind: ReceiptKind) -> None:
        """The recipient's phone reports this of a message."""
        self.emit(Receipt(whatsapp_id, kind, self._now_s()))

    def set_ack(self, whatsapp_id: str, ack: int) -> None:
        """The ack in the store changes, and no event reports it."""
        self._store[whatsapp_id] = ack

    # -- life

    @property
    def link(self) -> str:
        """The name of the present link."""
        return f"link-{self._link_count}"

    async def start(self) -> None:
        """Raises what `fail_next_start` was given."""
        self.start_count += 1
        if self._start_errors:
            raise self._start_errors.popleft()
        self._is_running = True
        self._incoming = asyncio.Queue()
        self._publish(SessionState(Phase.STARTING, link=self.link))
        if self._is_linked:
            self.set_phase(Phase.READY)
        else:
            self._publish(SessionState(Phase.LINKING, qr="fake-qr-code", link=self.link))

    async def stop(self) -> None:  # noqa: D102
        self._end(None)

    def _end(self, reason: str | None) -> None:
        if self._is_running:
            self._is_running = False
            self._publish(SessionState(Phase.STOPPED, self._phone, reason=reason, link=self.link))
            self._incoming.put_nowait(None)

    @property
    def session(self) -> SessionState:  # noqa: D102
        return self._session

    async def watch_session(self) -> AsyncIterator[SessionState]:  # noqa: D102
        queue: asyncio.Queue[SessionState] = asyncio.Queue()
        queue.put_nowait(self._session)
        self._session_queues.add(queue)
        try:
            while True:
                session = await queue.get()
                yield session
                if session.phase is Phase.STOPPED:
                    return
        finally:
            self._session_queues.discard(queue)

    def _publish(self, session: SessionState) -> None:
        is_new_phase = session.phase is not self._session.phase
        session = replace(session, since_s=self._now_s() if is_new_phase else self._session.since_s)
        if session != self._session:
            self._session = session
            for queue in self._session_queues:
                queue.put_nowait(session)

    # -- calls

    def _can_look_up(self) -> bool:
        return self._session.phase is Phase.READY and not self.is_lookup_broken

    async def look_up(self, phone: str) -> LookUpResult:  # noqa: D102
        self.lookups.append(phone)
        if not self._can_look_up():
            return LookupFailed("no answer")
        if phone in self._missing_phones:
            return NotOnWhatsApp()
        return OnWhatsApp(f"{phone.removeprefix('+')}@c.us")

    async def find_message(self, whatsapp_id: str, chat_id: str) -> FindResult:  # noqa: D102
        if not self._can_look_up():
            return LookupFailed("no answer")
        ack = self._store.get(whatsapp_id)
        return MessageNotFound() if ack is None else MessageFound(ack, is_pending=ack == 0)

    async def submit(self, submission: Submission) -> SubmitResult:  # noqa: D102
        self.submissions.append(submission)
        result = self._submit(submission)
        await self._may_answer.wait()
        return result

    def _submit(self, submission: Submission) -> SubmitResult:
        if self._session.phase is not Phase.READY:
            code = _NOT_READY_CODES.get(self._session.phase, "not_logged_in")
            return NotSubmitted(code, f"the session is {self._session.phase}")
        ack = self._store.get(submission.whatsapp_id, -1)
        if ack > 0:
            return ServerAccepted(self._now_s())
        if ack == 0:
            return InDoubt("outcome_unknown", "it waits in WhatsApp's outbox")
        if self._now_s() >= submission.submit_before_s:
            return NotSubmitted("timeout_before_submit", "too late")
        return self._follow_script(submission)

    def _follow_script(self, submission: Submission) -> SubmitResult:
        now_s = self._now_s()
        accepted = _Script(ServerAccepted(now_s), ack=1, arrives=True)
        script = self._scripts.popleft() if self._scripts else accepted
        if script.ack is not None:
            self._store[submission.whatsapp_id] = script.ack
        if script.arrives:
            whatsapp_id, chat_id = submission.whatsapp_id, submission.chat_id
            self.sent.append(SentMessage(whatsapp_id, chat_id, submission.content, now_s))
        if isinstance(script.result, Exception):
            raise script.result
        return script.result

    async def watch_incoming(self) -> AsyncIterator[Receipt | IncomingMessage]:  # noqa: D102
        while (incoming := await self._incoming.get()) is not None:
            yield incoming

    async def read_acks(self, ids: Sequence[tuple[str, str]]) -> dict[str, int]:  # noqa: D102
        if not self._can_look_up():
            return {}
        return {id: self._store[id] for id, _ in ids if id in self._store}

    async def reconnect(self) -> None:  # noqa: D102
        self.reconnect_count += 1

    @property
    def ack_counts(self) -> AckCounts:  # noqa: D102
        return AckCounts()

    async def request_pairing_code(self, phone: str) -> str:  # noqa: D102
        self._publish(SessionState(Phase.LINKING, pairing_code="FAKECODE", link=self.link))
        return "FAKECODE"

    async def logout(self) -> None:  # noqa: D102
        self._is_linked, self._store = False, {}
        self._link_count += 1
        self._publish(SessionState(Phase.LOGGED_OUT, reason="logged_out", link=self.link))
        self._publish(SessionState(Phase.LINKING, qr="fake-qr-code", link=self.link))

    async def diagnose(self) -> Diagnosis:  # noqa: D102
        session = self._session
        return Diagnosis(
            taken_at_s=self._now_s(),
            phase=str(session.phase),
            reason=session.reason,
            degraded=session.degraded,
            page_error="a fake driver has no page",
        )

    async def collect_garbage(self) -> bool:  # noqa: D102
        self.garbage_collections += 1
        needs_reload, self.needs_reload = self.needs_reload, False
        if needs_reload:
            self.set_phase(Phase.SYNCING)
            for _ in range(3):  # a reload takes time: a watcher of the session sees it begin
                await asyncio.sleep(0)
        return needs_reload
