"""Executes the actions of an attempt. Decides nothing.

What is done next is decided in streams/domain/sending/attempt.py. Here an action becomes a call, and
what came of the call becomes an observation. Nothing is raised for what a browser does, and an error
in here costs one message: every attempt ends in a `Result`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from streams.domain.accounts.pacing import Pacer
from streams.domain.phone.events import OutcomeUnknown, Result, Sent
from streams.domain.sending import actions
from streams.domain.sending import claim as claims
from streams.domain.sending.actions import Action, Observation
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.command import SendCommand
from streams.sender.attempts.permission import SendPermission
from streams.sender.attempts.reconciler import Reconciler
from streams.sender.attempts.submitter import Fence, Limits, Submitter
from streams.sender.browser_session import BrowserSession
from streams.sender.claim_store import ClaimStore
from streams.sender.new_chats import NewChatGuard
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp import driver as browser
from streams.whatsapp.driver import Driver

log = logging.getLogger(__name__)


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
        self._permission = SendPermission(
            browser_session=browser_session,
            pacer=pacer,
            restrictions=restrictions,
            on_paced=on_paced,
            now_s=now_s,
        )
        self._submitter = Submitter(
            pacer=pacer,
            new_chats=new_chats,
            limits=limits,
            fence=fence,
            on_refused=on_refused,
            now_s=now_s,
        )
        self._claim_store = claim_store
        self._pacer = pacer
        self._restrictions = restrictions
        self._fence = fence
        self._now_s = now_s
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
            await self._permission.collect_garbage()

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
                return await self._wait_until_allowed(running)
            case actions.StoreClaim(claim):
                await self._claim_store.put(running.whatsapp_id, claim)
                return actions.ClaimStored()
            case actions.ConfirmOwnership():
                await self._fence.ensure_member()
                return actions.OwnershipConfirmed(*self._read_link_and_row(running))
            case actions.Submit():
                return await self._submit(running, action)
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
        driver = await self._permission.wait_for_driver(deadline_s)
        if isinstance(driver, actions.Denied):
            return driver
        match await driver.look_up(phone):
            case browser.OnWhatsApp(chat_id):
                return actions.NumberFound(chat_id)
            case browser.NotOnWhatsApp():
                return actions.NumberNotFound()
            case browser.LookupFailed(detail):
                return actions.NumberLookupFailed(detail)

    async def _wait_until_allowed(self, running: RunningAttempt) -> Observation:
        running.driver = None
        driver = await self._permission.wait_for_submit(running.command.deadline_s)
        if isinstance(driver, actions.Denied):
            return driver
        running.driver = driver
        return actions.Allowed()

    async def _submit(self, running: RunningAttempt, action: actions.Submit) -> Observation:
        assert running.driver is not None, "a submit follows `Allowed`"
        return await self._submitter.submit(
            running.driver, running.command, running.whatsapp_id, action.chat_id, action.content
        )
