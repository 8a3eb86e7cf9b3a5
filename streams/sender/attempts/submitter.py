"""Gives WhatsApp a message: the only file of the sender that does. Decides nothing.

It is called right after `OwnershipConfirmed`. In the turn of the event loop in which it calls the page, it asks once
more whether the account may send: a person may have paused it while the fence was asked. The page itself checks
`Submission.submit_before_mono_s` once more, in the same iteration of its event loop as the submit: at that time no
other process can own the send topic yet, even if the call took long, or waited for the message before it.
"""

import functools
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S
from streams.domain.errors import error_for
from streams.domain.sending import actions
from streams.domain.sending.actions import Observation
from streams.domain.sending.command import SendCommand
from streams.domain.sending.reconciliation import MAX_SUBMITS
from streams.media.source import PATIENCE_S
from streams.sender.attempts.permission import SendPermission
from streams.sender.attempts.reconciler import RECONCILE_TIMEOUT_S
from streams.sender.clock import Clock
from streams.sender.new_chats import NewChatGuard
from streams.sender.pace.account_pace import AccountPace
from streams.settings import Settings
from streams.tracing import tracing
from streams.whatsapp import driver as browser
from streams.whatsapp.driver import Driver, Submission
from streams.whatsapp.limits import MAX_UPLOAD_S

log = logging.getLogger(__name__)

# The page's clock is read with this uncertainty, to the safe side: its deadline comes a little earlier.
PAGE_CLOCK_MARGIN_S: Final = 0.25


class Fence(Protocol):
    """Says whether this process still owns the send topic (streams/runtime/fence.py)."""

    async def ensure_member(self) -> None:
        """Return as soon as it certainly does."""
        ...

    def heartbeat_age_s(self) -> float | None:
        """Seconds since the last answered heartbeat."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. Until `lease_s` after an answered heartbeat no other process can own the send topic: a page
    that has not submitted by then must not submit any more, even if this process has ended.
    """

    ack_timeout_s: float
    lease_s: float
    ack_patience_s: float = 1.0  # after this time without an ack, other messages go on
    media_patience_s: float = (
        PATIENCE_S  # after this time without its file, a message is handed back
    )

    @property
    def max_dispatch_s(self) -> float:
        """No dispatch is worked on for longer than this, whatever happens: the acks are the smaller part."""
        submit_s = MAX_PACE_WAIT_S + self.lease_s + self.ack_timeout_s + 10.0
        reconcile_s = RECONCILE_TIMEOUT_S + 15.0
        reconnect_s = 15.0
        media_s = 2 * self.media_patience_s + MAX_UPLOAD_S
        return MAX_SUBMITS * (submit_s + reconcile_s) + reconnect_s + media_s


class Submitter:
    """Submits messages to a page, and says what came of each."""

    def __init__(
        self,
        *,
        pace: AccountPace,
        permission: SendPermission,
        new_chats: NewChatGuard,
        limits: Limits,
        fence: Fence,
        on_refused: Callable[[int], object],
        clock: Clock,
    ) -> None:
        """`on_refused` is called with the code of each refusal by WhatsApp's server."""
        self._pacer = pace.pacer
        self._stranger_pacer = pace.stranger_pacer
        self._random_fraction = pace.random_fraction
        self._permission = permission
        self._new_chats = new_chats
        self._limits = limits
        self._fence = fence
        self._on_refused = on_refused
        self._clock = clock

    async def submit(
        self,
        driver: Driver,
        command: SendCommand,
        whatsapp_id: str,
        chat_id: str,
        content: Mapping[str, object],
        deadline_mono_s: float,
        *,
        is_stranger: bool = False,
        media_path: Path | None = None,
        after: str | None = None,
    ) -> Observation:
        """Submit this message before the deadline of its claim, and wait for its ack.

        Now, or as soon as the message `after`, which the page has, is accepted.
        """
        now_mono_s = self._clock.monotonic_s()
        lease_end_mono_s = now_mono_s + self._limits.lease_s - (self._fence.heartbeat_age_s() or 0)
        submission = Submission(
            whatsapp_id=whatsapp_id,
            chat_id=chat_id,
            content=content,
            submit_before_mono_s=min(deadline_mono_s, lease_end_mono_s),
            reply_to=command.reply_to,
            ack_timeout_s=self._limits.ack_timeout_s,
            media_path=media_path,
            after=after,
            after_timeout_s=self._limits.ack_patience_s,
        )
        if now_mono_s >= submission.submit_before_mono_s:
            return actions.NotSubmitted("timeout_before_submit", is_too_late=True)
        may_be_sent = True  # also if the call is cancelled, or fails
        pacers = [self._pacer, self._stranger_pacer] if is_stranger else [self._pacer]
        for pacer in pacers:
            pacer.record_submit(now_mono_s, self._random_fraction())
        try:
            with self._trace(command) as span:
                submit = functools.partial(self._submit_if_allowed, driver)
                result = await self._new_chats.submit(submit, submission)
                span.set("wa.result", type(result).__name__)
            may_be_sent = isinstance(result, browser.ServerAccepted | browser.InDoubt)
        finally:
            for pacer in pacers:
                pacer.record_answer(self._clock.monotonic_s(), may_be_sent=may_be_sent)
        return self._observe(command, result, deadline_mono_s)

    async def _submit_if_allowed(
        self, driver: Driver, submission: Submission
    ) -> browser.SubmitResult:
        denied = self._permission.find_denial(driver)
        if denied is not None:
            error = denied.error
            return browser.NotSubmitted(error.code, error.detail, denied.until_s or None)
        return await driver.submit(submission)

    def _trace(self, command: SendCommand) -> AbstractContextManager[tracing.Span]:
        """A span in the trace of the request; none if it has no trace."""
        if not command.trace:
            return nullcontext(tracing.Span(()))
        attributes = {"wa.account": command.account, "wa.dispatch": command.dispatch_number}
        return tracing.span("wa.send", command.trace, "CONSUMER", **attributes)

    def _observe(
        self, command: SendCommand, result: browser.SubmitResult, deadline_mono_s: float
    ) -> Observation:
        match result:
            case browser.ServerAccepted(at_s):
                return actions.SubmitAccepted(at_s)
            case browser.InDoubt(code, detail, until_s) if error_for(code).is_new_chat_refused:
                return actions.HeldBack(code, detail, until_s or 0.0)
            case browser.InDoubt(_, detail):
                log.warning("dispatch %d: %s: looking for its id", command.dispatch_number, detail)
                return actions.SubmitUncertain()
            case browser.NotBegun():
                return actions.NotBegun()
            case browser.NotSubmitted(code, detail, until_s):
                is_too_late = self._clock.monotonic_s() >= deadline_mono_s - PAGE_CLOCK_MARGIN_S
                return actions.NotSubmitted(code, detail, until_s or 0.0, is_too_late)
            case browser.ServerRefused(server_code, detail):
                self._on_refused(server_code)
                return actions.SubmitRefused(server_code, detail)


def make_limits(settings: Settings) -> Limits:
    """How long a submit may take."""
    return Limits(ack_timeout_s=settings.ack_timeout_s, lease_s=settings.kafka_session_timeout_s)
