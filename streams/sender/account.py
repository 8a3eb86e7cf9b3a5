"""The account's record on `wa.accounts`: published at each change, and regularly as a heartbeat.

Only the owner of the send topic publishes it. `ready` means that a message would be submitted now. An
account that only may open no new chats is `ready` too: its `reason` and `until` say so.
"""

import asyncio
import contextlib
import logging
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from math import isfinite
from typing import Final, NamedTuple, TextIO, cast

from streams.contract.account import (
    HEARTBEAT_INTERVAL_S,
    AccountRecord,
    AccountState,
    AppliedRequest,
    NewChatQuota,
    SlowReturn,
    WarmUp,
    describe_account,
)
from streams.contract.timestamps import format_rfc3339
from streams.domain.accounts.pace_rules import AccountLimits
from streams.domain.accounts.restriction import Restriction
from streams.domain.accounts.warm_up import NO_LIMIT
from streams.sender.clock import Clock
from streams.sender.new_chats import NewChatGuard
from streams.sender.pace.account_pace import AccountPace
from streams.sender.restrictions import RestrictionStore
from streams.system.qr_code import render_qr
from streams.whatsapp.driver import Phase, SessionState

log = logging.getLogger(__name__)

MAX_PRINTED_CODES: Final = 12  # WhatsApp shows six in a row, in 160 s


class _Condition(NamedTuple):
    """What an account is in, since when, why, and until when; 0: not known."""

    state: str
    since_s: float
    reason: str | None
    until_s: float


class AccountPublisher:
    """Follows the session and publishes a record at each change, and a heartbeat when nothing changes."""

    def __init__(
        self,
        name: str,
        *,
        owner: str,
        restrictions: RestrictionStore,
        new_chats: NewChatGuard,
        pace: AccountPace,
        publish: Callable[[AccountRecord], Awaitable[object]],
        clock: Clock,
        get_linked_phone: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`get_linked_phone`: the number that belongs to the account's name."""
        self._name = name
        self._get_linked_phone = get_linked_phone
        self._owner = owner
        self._restrictions = restrictions
        self._new_chats = new_chats
        self._pace = pace
        self._pacer = pace.pacer
        self._publish = publish
        self._clock = clock
        self._session = SessionState(Phase.STARTING, since_s=clock.now_s())
        self._pending_sessions: deque[SessionState] = deque()
        self._change_event = asyncio.Event()
        self._logged: tuple[str, str | None] | None = None
        self._stopping_since_s: float | None = None

    def update_session(self, session: SessionState) -> None:
        """The session is now in this state. Every phase is published, but only the last state of a phase."""
        if self._stopping_since_s is not None:
            return
        if self._pending_sessions and self._pending_sessions[-1].phase is session.phase:
            self._pending_sessions.pop()
        self._pending_sessions.append(session)
        self._change_event.set()

    def notify_change(self) -> None:
        """Something else that the record holds has changed."""
        self._change_event.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._change_event.clear()
            if self._pending_sessions:
                self._session = self._pending_sessions.popleft()
            await self._publish_record()
            if not self._pending_sessions:
                await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        try:
            async with asyncio.timeout(HEARTBEAT_INTERVAL_S):
                await self._change_event.wait()
        except TimeoutError:
            return

    def begin_stop(self) -> None:
        """Every record from now on says that no process sends for the account, so that dispatchers move on at once.

        What is being submitted may still be concluded.
        """
        self._stopping_since_s = self._clock.now_s()
        self._change_event.set()

    async def publish_stopped(self) -> None:
        """Publish that no process sends for the account any more."""
        self.begin_stop()
        await self._publish_record()

    async def _publish_record(self) -> None:
        record = self.make_record()
        self._log_change(record)
        await self._publish(record)

    def _log_change(self, record: AccountRecord) -> None:
        """One line for each change of the state or of its reason."""
        if self._logged == (record.state, record.reason):
            return
        self._logged = record.state, record.reason
        level = logging.WARNING if record.state == "restricted" else logging.INFO
        log.log(level, "the account %s is %s", self._name, describe_account(record))

    def make_record(self, session: SessionState | None = None) -> AccountRecord:
        """The account at this moment, in this session; without one, in the session that is published."""
        now_s, session = self._clock.now_s(), session or self._session
        now_mono_s = self._clock.monotonic_s()
        busy_s = self._pacer.busy_for_s(now_mono_s)
        restriction = self._restrictions.get_active("everything", session.link, now_s)
        condition = self._get_condition(session, restriction, now_s)
        limits = self._pace.get_limits()
        pause_s = restriction.until_s if restriction is not None and restriction.is_pause else 0.0
        is_stopping = self._stopping_since_s is not None
        has_codes = condition.state != "logged_out" and not is_stopping
        return AccountRecord(
            account=self._name,
            state=cast(AccountState, condition.state),
            since=format_rfc3339(condition.since_s),
            phone=session.phone,
            linked_phone=self._get_linked_phone(),
            request=self._make_request(),
            reason=condition.reason,
            until=_format_time(condition.until_s),
            progress=session.progress,
            qr=session.qr if has_codes else None,
            pairing_code=session.pairing_code if has_codes else None,
            sent_last_minute=self._pacer.count_last_minute(now_mono_s),
            sent_today=self._pacer.count_last_day(now_mono_s),
            free_at=_format_time(max(now_s + busy_s if busy_s else 0.0, pause_s)),
            daily_cap=limits.messages.per_day or None,
            warm_up=self._make_warm_up(limits, now_s),
            slow_return=_make_slow_return(limits),
            new_chats_allowed=self._new_chats.get_block(now_s) is None,
            time_lock_until=_format_time(self._new_chats.time_lock_until_s),
            new_chat_quota=self._make_quota(),
            degraded=session.degraded,
            owner=None if is_stopping else self._owner,
        )

    def _get_condition(
        self, session: SessionState, restriction: Restriction | None, now_s: float
    ) -> _Condition:
        """The phase of the session, unless it is ready and WhatsApp limits the account all the same."""
        phase = session.phase.value
        request = self._restrictions.held_by
        if request is not None and request.requested == "removed":
            return _Condition("stopped", request.at_s, "removed", 0.0)
        if self._stopping_since_s is not None:
            return _Condition("stopped", self._stopping_since_s, None, 0.0)
        if request is not None and request.requested == "logged_out":
            if session.phase in (Phase.LINKING, Phase.LOGGED_OUT):
                return _Condition("logged_out", request.at_s, "requested", 0.0)
            if session.phase is Phase.READY:
                return _Condition("paused", request.at_s, "logout_requested", 0.0)
        if session.phase is Phase.READY:
            if request is not None:
                return _Condition("paused", request.at_s, "requested", 0.0)
            if restriction is not None:
                is_ready, since_s = restriction.is_pause, restriction.since_s
                state, since_s = (phase, session.since_s) if is_ready else ("restricted", since_s)
                until_s = 0.0 if restriction.has_no_end else restriction.until_s
                return _Condition(state, since_s, restriction.code, until_s)
            block = self._new_chats.get_block(now_s)
            if block is not None:
                return _Condition(phase, session.since_s, block.code, block.until_s)
        return _Condition(phase, session.since_s, session.reason, session.until_s or 0.0)

    def _make_request(self) -> AppliedRequest | None:
        request = self._restrictions.request
        if request is None:
            return None
        return AppliedRequest(
            requested=request.requested, by=request.by, at=format_rfc3339(request.at_s)
        )

    def _make_warm_up(self, limits: AccountLimits, now_s: float) -> WarmUp | None:
        if limits.step == NO_LIMIT:
            return None
        return WarmUp(
            day=limits.day,
            messages_per_day=limits.step.messages or None,
            new_recipients_per_day=limits.strangers.per_day or None,
            new_recipients_today=self._pace.recipients.count_last_day(),
            next_step_at=_format_time(now_s + limits.next_step_in_s)
            if isfinite(limits.next_step_in_s)
            else None,
        )

    def _make_quota(self) -> NewChatQuota | None:
        quota = self._new_chats.get_quota()
        if quota is None:
            return None
        return NewChatQuota(
            total=quota.total,
            used=quota.used,
            resets_at=_format_time(quota.resets_at_s),
            is_used_up=quota.is_used_up,
        )


def _make_slow_return(limits: AccountLimits) -> SlowReturn | None:
    messages, strangers = limits.messages_return, limits.strangers_return
    if strangers.is_normal:  # what slows all messages slows those to strangers too
        return None
    return SlowReturn(
        messages_percent=round(messages.fraction * 100),
        new_chats_percent=round(strangers.fraction * 100),
        ends_at=format_rfc3339(strangers.ends_at_s),
    )


def _format_time(at_s: float | None) -> str | None:
    """The time as the contract writes it; None if it is not known."""
    return format_rfc3339(at_s) if at_s else None


class QrPrinter:
    """Prints the QR codes of a sender that runs on its own: to its output, which may be a terminal or a log.

    An account that nobody links shows a new code every 20 s for ever. So it prints the codes of the first
    minutes, and then says once which command shows the current one.
    """

    def __init__(self, name: str, out: TextIO = sys.stdout) -> None:
        self._name = name
        self._out = out
        self._last_code: str | None = None
        self._printed = 0

    def show_session(self, session: SessionState) -> None:
        """Print the session's code if it is a new one, within the bound; a link lifts the bound."""
        if session.phase is Phase.READY:
            self._printed = 0
        if session.qr == self._last_code:
            return
        self._last_code = session.qr
        if session.qr is None or self._printed > MAX_PRINTED_CODES:
            return
        self._printed += 1
        is_last = self._printed > MAX_PRINTED_CODES
        # A log whose disk is full must not end the sender.
        with contextlib.suppress(OSError):
            self._out.write(self._format_hint() if is_last else self._format_code(session.qr))
            self._out.flush()

    def _format_code(self, code: str) -> str:
        lines = render_qr(code, use_colors=self._out.isatty())
        instructions = "WhatsApp > Settings > Linked devices > Link a device, and scan this code"
        return "\n".join(["", f"To link {self._name}: {instructions}.", *lines, ""])

    def _format_hint(self) -> str:
        return (
            f"{self._name} is not linked. No more codes are printed here: "
            f"`wa-streams accounts link {self._name}` shows the current one.\n"
        )
