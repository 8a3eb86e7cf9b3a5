"""A driver without a browser: a scripted WhatsApp in memory, for tests of code that uses a `Driver`.

It keeps the promises of streams/whatsapp/driver.py: one contract suite runs on it and on the real driver
(tests/whatsapp/test_driver_contract.py). It remembers what reached the server, and a test can make it
refuse, lose acks, drop the session, reload the page, change the link and emit receipts. It waits for no
time to pass: a submit of a pending message is in doubt at once.

When not to use it: it knows nothing of profiles, media, quoted messages or content that WhatsApp
refuses. To test whether a message can be sent at all, use the real driver and the sandbox.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from streams.testing.fake_whatsapp import FakeWhatsApp, Script, chat_of
from streams.whatsapp.diagnosis import Diagnosis
from streams.whatsapp.driver import (
    AckCounts,
    AckLevel,
    FindResult,
    InDoubt,
    LookupFailed,
    LookUpResult,
    MessageNotFound,
    NotBegun,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    Phase,
    Received,
    ServerAccepted,
    ServerRefused,
    SessionState,
    Submission,
    SubmitResult,
)
from streams.whatsapp.groups import GroupList

_NOT_READY_CODES = {
    Phase.RESTRICTED: "account_restricted",
    Phase.RECONNECTING: "disconnected",
    Phase.SYNCING: "disconnected",
}


class FakeDriver(FakeWhatsApp):
    """A `Driver`. It can be started again after `stop`: the account, its link and its store remain.

    With `is_linked=False` it shows a QR code after `start`, until `link_account` is called.
    """

    # -- life

    async def start(self) -> None:
        """Raises what `fail_next_start` was given."""
        self.start_count += 1
        if self._start_errors:
            raise self._start_errors.popleft()
        self._is_running = True
        self._incoming = asyncio.Queue()
        self.store.change_page()
        self._publish(SessionState(Phase.STARTING, link=self.link))
        if self._is_linked:
            self.set_phase(Phase.READY)
        else:
            self._publish(SessionState(Phase.LINKING, qr="fake-qr-code", link=self.link))

    async def stop(self) -> None:  # noqa: D102
        self._end(None)

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

    # -- calls

    def _can_look_up(self) -> bool:
        return self._session.phase is Phase.READY and not self.is_lookup_broken

    async def look_up(self, phone: str) -> LookUpResult:  # noqa: D102
        self.lookups.append(phone)
        if not self._can_look_up():
            is_lost = self._session.phase is not Phase.READY
            return LookupFailed("no answer", is_session_lost=is_lost)
        if phone in self._missing_phones:
            return NotOnWhatsApp()
        canonical = self.canonical_phones.get(phone, phone)
        return OnWhatsApp(chat_of(canonical), canonical)

    async def find_message(self, whatsapp_id: str, chat_id: str) -> FindResult:  # noqa: D102
        if not self._can_look_up():
            return LookupFailed("no answer")
        return self.store.look_up(whatsapp_id) or MessageNotFound()

    async def submit(self, submission: Submission) -> SubmitResult:  # noqa: D102
        turn = self._turns[submission.whatsapp_id] = asyncio.get_running_loop().create_future()
        result: SubmitResult = NotBegun()
        try:
            if await self._is_its_turn(submission):
                result = await self._submit_now(submission)
            if isinstance(result, ServerRefused):
                self._end_turns()
        finally:
            turn.set_result(isinstance(result, ServerAccepted))
        return result

    async def _is_its_turn(self, submission: Submission) -> bool:
        """Whether the message before it was accepted, or there is none."""
        if submission.after is None:
            return True
        turn = self._turns.get(submission.after)
        if turn is None:
            return False
        stop: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting_turns.add(stop)
        try:
            await asyncio.wait(
                {turn, stop},
                timeout=submission.after_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._waiting_turns.discard(stop)
        return turn.done() and turn.result() and not stop.done()

    async def _submit_now(self, submission: Submission) -> SubmitResult:
        self.submissions.append(submission)
        result, delay = self._submit(submission), self._take_delay()
        await self._may_answer.wait()
        if delay is not None:
            await delay.wait()
        return result

    def _take_delay(self) -> asyncio.Event | None:
        delay, self._delay = self._delay, None
        return delay

    def _submit(self, submission: Submission) -> SubmitResult:
        if self._session.phase is not Phase.READY:
            code = _NOT_READY_CODES.get(self._session.phase, "not_logged_in")
            return NotSubmitted(code, f"the session is {self._session.phase}")
        stored = self.store.find(submission.whatsapp_id)
        if stored and stored.ack >= AckLevel.SERVER:
            return ServerAccepted(self._now_s())
        if stored and stored.is_pending:
            return InDoubt("outcome_unknown", "no ack in time")
        refusal = self._find_refusal(submission)
        if refusal is None:
            return self._follow_script(submission)
        # What an earlier page left may have reached the server.
        if stored and stored.ack == AckLevel.PENDING:
            is_new_chat = refusal.code == "new_chats_restricted"
            code = refusal.code if is_new_chat else "outcome_unknown"
            return InDoubt(code, refusal.detail, refusal.until_s)
        return refusal

    def _find_refusal(self, submission: Submission) -> NotSubmitted | None:
        if self.monotonic_s() >= submission.submit_before_mono_s:
            return NotSubmitted("timeout_before_submit", "too late")
        if submission.chat_id in self.acquaintances:
            return None
        quota, lock = self._new_chat_quota, self._time_lock
        if lock is not None:
            return NotSubmitted("new_chats_restricted", lock.kind, lock.until_s)
        if quota is not None and quota.is_used_up:
            return NotSubmitted("new_chats_restricted", "the quota is used up", quota.resets_at_s)
        if not submission.is_new_chat_allowed:
            return NotSubmitted("new_chats_restricted", "the chat is new")
        return None

    def _follow_script(self, submission: Submission) -> SubmitResult:
        accepted = Script(ServerAccepted(self._now_s()), ack=AckLevel.SERVER, arrives=True)
        script = self._scripts.popleft() if self._scripts else accepted
        self._delay = script.may_return
        if script.is_pending:
            self.store.hold(submission)
        elif isinstance(script.result, ServerRefused):
            self.store.refuse(submission.whatsapp_id)
        elif script.ack is not None:
            self.store.set_ack(submission.whatsapp_id, script.ack)
        if script.arrives:
            self.store.receive(submission, self._now_s())
        if isinstance(script.result, Exception):
            raise script.result
        return script.result

    async def watch_incoming(self) -> AsyncIterator[Received]:  # noqa: D102
        while (incoming := await self._incoming.get()) is not None:
            yield incoming

    async def is_new_chat(self, chat_id: str) -> bool:  # noqa: D102
        return chat_id not in self.acquaintances

    async def set_typing(self, chat_id: str, *, is_typing: bool) -> bool:  # noqa: D102
        self.typing.append((chat_id, is_typing, len(self.sent)))
        return True

    async def delete_chat(self, chat_id: str) -> bool | None:  # noqa: D102
        if self._session.phase is not Phase.READY:
            return None
        self.deleted_chats.append(chat_id)
        return True

    async def read_acks(self, ids: Sequence[tuple[str, str]]) -> dict[str, int]:  # noqa: D102
        if not self._can_look_up():
            return {}
        stored = {id: self.store.find(id) for id, _ in ids}
        return {id: message.ack for id, message in stored.items() if message}

    async def list_groups(self) -> GroupList | None:  # noqa: D102
        return GroupList(tuple(self.groups)) if self._can_look_up() else None

    async def reconnect(self) -> None:
        """Every pending message reaches the server, whose ack no submit waits for."""
        self.reconnect_count += 1
        if self._session.phase is not Phase.READY:
            return
        for submission in self.store.take_pending():
            self.store.receive(submission, self._now_s())
            self.emit_receipt(submission.whatsapp_id, "sent")

    async def stop_turns(self) -> None:  # noqa: D102
        self._end_turns()

    @property
    def ack_counts(self) -> AckCounts:  # noqa: D102
        return self._ack_counts

    async def request_pairing_code(self, phone: str) -> str:  # noqa: D102
        self._publish(SessionState(Phase.LINKING, pairing_code="FAKECODE", link=self.link))
        return "FAKECODE"

    async def logout(self) -> None:  # noqa: D102
        self._is_linked = False
        self.store.clear()
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
