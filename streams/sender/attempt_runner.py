"""Executes the actions of an attempt: the only file of the sender that gives WhatsApp a message. Decides nothing.

What is done next is decided in streams/domain/sending/attempt.py. Here an action becomes a call, and
what came of the call becomes an observation. Nothing is raised for what a browser does, and an error
in here costs one message: every attempt ends in a `Result`.

After `OwnershipConfirmed` the page is called without waiting for anything else. The page itself checks
`Submission.submit_before_s` once more, in the same iteration of its event loop as the submit: at that
time no other process can own the send topic yet, even if the call took long.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S, Pacer
from streams.domain.accounts.restriction import Restriction
from streams.domain.errors import Error, error_for
from streams.domain.phone.events import OutcomeUnknown, Result, Sent
from streams.domain.sending import actions
from streams.domain.sending import claim as claims
from streams.domain.sending.actions import Action, Observation
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.command import SendCommand
from streams.domain.sending.reconciliation import MAX_SUBMITS
from streams.sender.browser_session import BrowserSession, SessionUnavailable
from streams.sender.claim_store import ClaimStore
from streams.sender.new_chats import NewChatGuard
from streams.sender.reconciler import RECONCILE_TIMEOUT_S, Reconciler
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp import driver as browser
from streams.whatsapp.driver import Driver, Submission
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

# Without a collection the page's memory grows by a third over 2,000 submits, with one by 8 %.
GC_EVERY: Final = 500  # submits


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


@dataclass(slots=True, eq=False)
class RunningAttempt:
    """An attempt, the id of its message, and the page that it may use."""

    attempt: Attempt
    whatsapp_id: str
    driver: Driver | None = None  # since `Allowed`

    @property
    def command(self) -> SendCommand:
        """The dispatch."""
        return self.attempt.command


class AttemptRunner:
    """Runs attempts: their first steps ahead of time, then one at a time to the result."""

    def __init__(
        self,
        *,
        browser_session: BrowserSession,
        claim_store: ClaimStore,
        pacer: Pacer,
        restrictions: RestrictionStore,
        new_chats: NewChatGuard,
        limits: Limits,
        fence: Fence,
        on_paced: Callable[[], object],
        on_refused: Callable[[int], object],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`on_paced` is called when a dispatch is deferred because of the account's pace, `on_refused`
        with the code of each refusal by WhatsApp's server.
        """
        self._browser_session = browser_session
        self._reconciler = Reconciler(browser_session, now_s)
        self._claim_store = claim_store
        self._pacer = pacer
        self._restrictions = restrictions
        self._new_chats = new_chats
        self._limits = limits
        self._fence = fence
        self._on_paced = on_paced
        self._on_refused = on_refused
        self._now_s = now_s
        self._submit_count = 0
        self._page_lock = asyncio.Lock()

    # -- ahead of its submit

    def begin(self, command: SendCommand, whatsapp_id: str) -> RunningAttempt:
        """Read the row and decide what comes first."""
        claim = self._claim_store.get(whatsapp_id)
        return RunningAttempt(Attempt(command, claim, self._now_s()), whatsapp_id)

    async def look_up(self, running: RunningAttempt) -> None:
        """Look the number up, if that comes first."""
        if isinstance(running.attempt.action, actions.LookUpNumber):
            await self._step(running)

    async def claim_ahead(self, running: RunningAttempt) -> None:
        """Make the claim durable under the link of now, so that the submit need not wait for it."""
        link, row = self._browser_session.state.link, self._claim_store.get(running.whatsapp_id)
        claim = running.attempt.claim_ahead(link, row, self._now_s())
        if claim is not None:
            await self._claim_store.put(running.whatsapp_id, claim)

    async def withdraw(self, running: RunningAttempt) -> None:
        """Take back a claim whose message the page never had."""
        if running.attempt.is_withdrawable:
            await self._claim_store.put(running.whatsapp_id, running.attempt.claim_at_start)

    # -- to its result

    async def run(self, running: RunningAttempt) -> Result:
        """Execute actions until there is a result. One attempt at a time."""
        async with self._page_lock:
            while (result := running.attempt.result) is None:
                await self._step(running)
        if isinstance(result, Sent | OutcomeUnknown):
            self._pacer.record_sent(result.at_s)
        return result

    async def collect_garbage(self) -> None:
        """Have the page collect its garbage between two attempts; what comes meanwhile waits."""
        async with self._page_lock:
            driver = self._browser_session.driver
            if driver is not None and self._browser_session.state.phase is browser.Phase.READY:
                await self._collect_page_garbage(driver)

    async def _step(self, running: RunningAttempt) -> None:
        try:
            observation = await self._execute(running, running.attempt.action)
            running.attempt.observe(observation, self._now_s())
        except Exception as error:
            log.exception("dispatch %d: internal error", running.command.dispatch_number)
            running.attempt.fail(type(error).__name__)

    async def _execute(self, running: RunningAttempt, action: Action) -> Observation:
        match action:
            case actions.LookUpNumber(phone):
                return await self._look_up_number(phone, running.command.deadline_s)
            case actions.WaitUntilAllowed():
                return await self._wait_and_collect_garbage(running)
            case actions.StoreClaim(claim):
                await self._claim_store.put(running.whatsapp_id, claim)
                return actions.ClaimStored()
            case actions.ConfirmOwnership():
                await self._fence.ensure_member()
                return actions.OwnershipConfirmed(*self._read_link_and_row(running))
            case actions.Submit(chat_id, content):
                return await self._submit(running, chat_id, content)
            case actions.LookUpMessage(chat_id):
                lookup = await self._reconciler.reconcile(running.whatsapp_id, chat_id)
                return actions.MessageLookedUp(lookup, *self._read_link_and_row(running))
            case actions.Reconnect():
                await self._reconciler.reconnect()
                return actions.Reconnected()
            case actions.RestrictAccount(error, link):
                restriction = await self._restrictions.restrict(error, link, self._now_s())
                return actions.AccountRestricted(restriction.until_s)
            case actions.Finish():
                raise AssertionError("nothing is executed after the result")

    def _read_link_and_row(self, running: RunningAttempt) -> tuple[str | None, claims.Claim | None]:
        """Receipts change rows at any time, so the row is read when it is needed."""
        return self._browser_session.state.link, self._claim_store.get(running.whatsapp_id)

    # -- actions

    async def _look_up_number(self, phone: str, deadline_s: float) -> Observation:
        try:
            driver = await self._browser_session.wait_until_ready(deadline_s=deadline_s)
        except SessionUnavailable as unavailable:
            return actions.Denied(unavailable.error, unavailable.until_s)
        restriction = self._get_restriction()
        if restriction is not None:  # a look-up is a request to WhatsApp's server too
            return actions.Denied(restriction.denial, restriction.until_s)
        match await driver.look_up(phone):
            case browser.OnWhatsApp(chat_id, phone_of_chat):
                return actions.NumberFound(chat_id, phone_of_chat)
            case browser.NotOnWhatsApp():
                return actions.NumberNotFound()
            case browser.LookupFailed(detail):
                return actions.NumberLookupFailed(detail)

    async def _wait_and_collect_garbage(self, running: RunningAttempt) -> Observation:
        observation = await self._wait_until_allowed(running)
        if running.driver is None:
            return observation
        self._submit_count += 1
        if self._submit_count % GC_EVERY or not await self._collect_page_garbage(running.driver):
            return observation
        return await self._wait_until_allowed(running)  # the page is being reloaded

    async def _wait_until_allowed(
        self, running: RunningAttempt
    ) -> actions.Allowed | actions.Denied:
        """Wait for the session and the pace; a restriction is not waited for."""
        deadline_s, running.driver = running.command.deadline_s, None
        while True:
            try:
                driver = await self._browser_session.wait_until_ready(deadline_s=deadline_s)
            except SessionUnavailable as unavailable:
                return actions.Denied(unavailable.error, unavailable.until_s)
            restriction = self._get_restriction()
            if restriction is not None:
                return actions.Denied(restriction.denial, restriction.until_s)
            now_s = self._now_s()
            at_s, code = self._pacer.next_send_at_s()
            if at_s <= now_s:
                running.driver = driver
                return actions.Allowed()
            if at_s > min(now_s + MAX_PACE_WAIT_S, deadline_s):
                self._on_paced()
                return actions.Denied(Error(code or "account_rate_limited"), at_s)
            await asyncio.sleep(at_s - now_s)

    def _get_restriction(self) -> Restriction | None:
        """What forbids the account everything now."""
        link = self._browser_session.state.link
        return self._restrictions.get_active("everything", link, self._now_s())

    async def _collect_page_garbage(self, driver: Driver) -> bool:
        """Whether the page is being reloaded; no message is on its way in it now."""
        try:
            return await driver.collect_garbage()
        except BrowserError as error:
            log.info("the page cannot collect garbage now: %s", error)
            return False

    async def _submit(
        self, running: RunningAttempt, chat_id: str, content: Mapping[str, object]
    ) -> Observation:
        assert running.driver is not None, "a submit follows `Allowed`"
        now_s = self._now_s()
        remaining_lease_s = self._limits.lease_s - (self._fence.heartbeat_age_s() or 0.0)
        submission = Submission(
            whatsapp_id=running.whatsapp_id,
            chat_id=chat_id,
            content=content,
            submit_before_s=min(running.command.deadline_s, now_s + remaining_lease_s),
            reply_to=running.command.reply_to,
            ack_timeout_s=self._limits.ack_timeout_s,
        )
        self._pacer.record_submit(now_s)
        match await self._new_chats.submit(running.driver.submit, submission):
            case browser.ServerAccepted(at_s):
                return actions.SubmitAccepted(at_s)
            case browser.InDoubt(code, detail, until_s) if error_for(code).is_new_chat_refused:
                return actions.HeldBack(code, detail, until_s or 0.0)
            case browser.InDoubt(_, detail):
                number = running.command.dispatch_number
                log.warning("dispatch %d: %s: looking for its id", number, detail)
                return actions.SubmitUncertain()
            case browser.NotSubmitted(code, detail, until_s):
                return actions.NotSubmitted(code, detail, until_s or 0.0)
            case browser.ServerRefused(server_code, detail):
                self._on_refused(server_code)
                return actions.SubmitRefused(server_code, detail)
