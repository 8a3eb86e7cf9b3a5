"""Gives WhatsApp a message: the only file of the sender that does. Decides nothing.

It is called right after `OwnershipConfirmed`, and calls the page without waiting for anything else. The page
itself checks `Submission.submit_before_s` once more, in the same iteration of its event loop as the submit: at
that time no other process can own the send topic yet, even if the call took long.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S, Pacer
from streams.domain.errors import error_for
from streams.domain.sending import actions
from streams.domain.sending.actions import Observation
from streams.domain.sending.command import SendCommand
from streams.domain.sending.reconciliation import MAX_SUBMITS
from streams.sender.attempts.reconciler import RECONCILE_TIMEOUT_S
from streams.sender.new_chats import NewChatGuard
from streams.whatsapp import driver as browser
from streams.whatsapp.driver import Driver, Submission

log = logging.getLogger(__name__)


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

    @property
    def max_dispatch_s(self) -> float:
        """No dispatch is worked on for longer than this, whatever happens: the acks are the smaller part."""
        submit_s = MAX_PACE_WAIT_S + self.lease_s + self.ack_timeout_s + 10.0
        reconcile_s = RECONCILE_TIMEOUT_S + 15.0
        return MAX_SUBMITS * (submit_s + reconcile_s) + 15.0  # a reconnect


class Submitter:
    """Submits messages to a page, and says what came of each."""

    def __init__(
        self,
        *,
        pacer: Pacer,
        new_chats: NewChatGuard,
        limits: Limits,
        fence: Fence,
        on_refused: Callable[[int], object],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`on_refused` is called with the code of each refusal by WhatsApp's server."""
        self._pacer = pacer
        self._new_chats = new_chats
        self._limits = limits
        self._fence = fence
        self._on_refused = on_refused
        self._now_s = now_s

    async def submit(
        self,
        driver: Driver,
        command: SendCommand,
        whatsapp_id: str,
        chat_id: str,
        content: Mapping[str, object],
    ) -> Observation:
        """Submit this message now, and wait for its ack."""
        now_s = self._now_s()
        remaining_lease_s = self._limits.lease_s - (self._fence.heartbeat_age_s() or 0.0)
        submission = Submission(
            whatsapp_id=whatsapp_id,
            chat_id=chat_id,
            content=content,
            submit_before_s=min(command.deadline_s, now_s + remaining_lease_s),
            reply_to=command.reply_to,
            ack_timeout_s=self._limits.ack_timeout_s,
        )
        self._pacer.record_submit(now_s)
        match await self._new_chats.submit(driver.submit, submission):
            case browser.ServerAccepted(at_s):
                return actions.SubmitAccepted(at_s)
            case browser.InDoubt(code, detail, until_s) if error_for(code).is_new_chat_refused:
                return actions.HeldBack(code, detail, until_s or 0.0)
            case browser.InDoubt(_, detail):
                log.warning("dispatch %d: %s: looking for its id", command.dispatch_number, detail)
                return actions.SubmitUncertain()
            case browser.NotSubmitted(code, detail, until_s):
                return actions.NotSubmitted(code, detail, until_s or 0.0)
            case browser.ServerRefused(server_code, detail):
                self._on_refused(server_code)
                return actions.SubmitRefused(server_code, detail)
