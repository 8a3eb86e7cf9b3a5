"""Executes one action of an attempt. Decides nothing, and keeps nothing but what the attempt holds.

What is done next is decided in streams/domain/sending/attempt.py. Here an action becomes a call, and what came of the
call becomes an observation. Nothing is raised for what a browser does.
"""

import math

from streams.domain.errors import Error
from streams.domain.sending import actions
from streams.domain.sending import claim as claims
from streams.domain.sending.actions import Action, Observation
from streams.sender.attempts.media_fetcher import MediaFetcher
from streams.sender.attempts.permission import SendPermission
from streams.sender.attempts.reconciler import Reconciler
from streams.sender.attempts.refusals import RefusalCounter
from streams.sender.attempts.running import RunningAttempt
from streams.sender.attempts.submitter import Fence, Submitter
from streams.sender.browser_session import BrowserSession
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.whatsapp import driver as browser


class ActionExecutor:
    """Does what an action says, and reports what came of it."""

    def __init__(
        self,
        *,
        browser_session: BrowserSession,
        claim_store: ClaimStore,
        refusals: RefusalCounter,
        permission: SendPermission,
        submitter: Submitter,
        reconciler: Reconciler,
        media_fetcher: MediaFetcher,
        fence: Fence,
        clock: Clock,
    ) -> None:
        self._browser_session = browser_session
        self._claim_store = claim_store
        self._refusals = refusals
        self._permission = permission
        self._submitter = submitter
        self._reconciler = reconciler
        self._media_fetcher = media_fetcher
        self._fence = fence
        self._clock = clock

    async def execute(self, running: RunningAttempt, action: Action) -> Observation:
        """One action; returns the observation that answers it."""
        match action:
            case actions.LookUpNumber() | actions.FetchMedia():
                return await self._prepare(running, action)
            case actions.WaitUntilAllowed():
                return await self._wait_until_allowed(running)
            case actions.StoreClaim(claim):
                return await self.store_claim(running, claim)
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
                restriction = await self._refusals.restrict(running.whatsapp_id, error, link)
                return actions.AccountRestricted(restriction.until_s)
            case actions.Finish():
                raise AssertionError("nothing is executed after the result")

    async def store_claim(
        self, running: RunningAttempt, claim: claims.Claim
    ) -> actions.ClaimStored:
        """Make it durable. Without an append time from the broker, it is infinity.

        The broker appended it after `sent_mono_s`, so the deadline on the monotonic clock is never too late.
        """
        sent_mono_s = self._clock.monotonic_s()
        at_s = await self._claim_store.put(running.whatsapp_id, claim)
        appended_at_s = math.inf if at_s is None else at_s
        running.deadline_mono_s = sent_mono_s + running.command.deadline_s - appended_at_s
        return actions.ClaimStored(appended_at_s, self._claim_store.resolved)

    def _read_link_and_row(self, running: RunningAttempt) -> tuple[str | None, claims.Claim | None]:
        """Receipts change rows at any time, so the row is read when it is needed."""
        return self._browser_session.state.link, self._claim_store.get(running.whatsapp_id)

    # -- actions

    async def _prepare(
        self, running: RunningAttempt, action: actions.LookUpNumber | actions.FetchMedia
    ) -> Observation:
        match action:
            case actions.LookUpNumber(phone):
                return await self._look_up_number(phone, running.deadline_mono_s)
            case actions.FetchMedia(content):
                observation, running.media = await self._media_fetcher.fetch(
                    content, running.whatsapp_id, running.deadline_mono_s
                )
                return observation

    async def _look_up_number(self, phone: str, deadline_mono_s: float) -> Observation:
        driver = await self._permission.wait_for_driver(deadline_mono_s)
        if isinstance(driver, actions.Denied):
            return driver
        match await driver.look_up(phone):
            case browser.OnWhatsApp(chat_id, phone_of_chat):
                return actions.NumberFound(chat_id, phone_of_chat)
            case browser.NotOnWhatsApp():
                return actions.NumberNotFound()
            case browser.LookupFailed(detail, is_session_lost=True):
                return actions.Denied(Error("disconnected", detail))
            case browser.LookupFailed(detail):
                return actions.NumberLookupFailed(detail)

    async def _wait_until_allowed(self, running: RunningAttempt) -> Observation:
        running.driver = None
        driver = await self._permission.wait_for_submit(
            running.deadline_mono_s, is_stranger=running.is_stranger
        )
        if isinstance(driver, actions.Denied):
            return driver
        running.driver = driver
        return actions.Allowed()

    async def _submit(self, running: RunningAttempt, action: actions.Submit) -> Observation:
        assert running.driver is not None, "a submit follows `Allowed`"
        self._refusals.begin_submit(running.whatsapp_id)
        return await self._submitter.submit(
            running.driver,
            running.command,
            running.whatsapp_id,
            action.chat_id,
            action.content,
            running.deadline_mono_s,
            is_stranger=running.is_stranger,
            media_path=running.media.path if running.media else None,
            after=running.turn.predecessor,
        )
