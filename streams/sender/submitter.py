"""One release and WhatsApp: the look-up, the claim, the submit, the look. Carries out what claim.py decides.

Nothing is raised for what a browser does: every way ends in a `Result`. The claim is durable before the
page is given the message; and right before that the fence says whether the lane is still ours.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from streams.domain.accounts.pacing import MAX_PACE_WAIT_S, Pacer
from streams.domain.errors import Error, ErrorClass, error_for
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import (
    Claim,
    Conclude,
    OpenClaim,
    Reconcile,
    SubmitAgain,
    WaitForAck,
)
from streams.sender.browser_session import BrowserSession, SessionUnavailable
from streams.sender.claim_store import ClaimStore
from streams.sender.pending_dispatch import PendingDispatch
from streams.sender.reconciler import RECONCILE_TIMEOUT_S, Reconciler
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp import driver as browser
from streams.whatsapp.driver import Driver, Submission, SubmitResult
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

# The page's memory grows by a third over 2,000 sends when nobody asks V8 to collect, by 8 % otherwise.
GC_EVERY: Final = 500  # submits


class Fence(Protocol):
    """Says whether the lane is still ours (streams/runtime/fence.py)."""

    async def ensure_member(self) -> None:
        """Returns while it surely is."""
        ...

    def heartbeat_age_s(self) -> float | None:
        """Seconds since the last answered heartbeat."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. Within `lease_s` of a heartbeat that was answered nobody else can own the lane: a page that has
    not submitted by then may not submit any more, whatever has become of us.
    """

    ack_timeout_s: float
    lease_s: float

    @property
    def max_dispatch_s(self) -> float:
        """No release is worked on for longer than this, whatever happens."""
        submit_s = MAX_PACE_WAIT_S + self.lease_s + self.ack_timeout_s + 10.0
        reconcile_s = RECONCILE_TIMEOUT_S + 15.0 + self.ack_timeout_s + 15.0
        return claims.MAX_SUBMITS * (submit_s + reconcile_s)


class Submitter:
    """Takes releases to WhatsApp, one call at a time; each ends in a result."""

    def __init__(
        self,
        *,
        browser_session: BrowserSession,
        claim_store: ClaimStore,
        pacer: Pacer,
        restrictions: RestrictionStore,
        limits: Limits,
        fence: Fence,
        on_paced: Callable[[], object],
    ) -> None:
        """`paced` is called when a release goes back because of the account's pace."""
        self._browser_session = browser_session
        self._reconciler = Reconciler(browser_session)
        self._claim_store = claim_store
        self._pacer = pacer
        self._restrictions = restrictions
        self._limits = limits
        self._fence = fence
        self._on_paced = on_paced
        self._submit_count = 0
        self._page_lock = asyncio.Lock()

    # -- ahead of its turn

    async def decide(self, dispatch: PendingDispatch) -> Result | None:
        """Look at the row, and look the number up if nobody knows it; a result if that is the end of it."""
        dispatch.previous_claim = self._claim_store.get(dispatch.whatsapp_id)
        decision = claims.decide(dispatch.command, dispatch.previous_claim, time.time())
        if isinstance(decision, Conclude):
            return decision.result
        dispatch.decision = decision
        if isinstance(decision, Reconcile):
            return None
        dispatch.chat_id = dispatch.command.chat_id
        return None if dispatch.chat_id else await self._look_up_number(dispatch)

    async def _look_up_number(self, dispatch: PendingDispatch) -> Result | None:
        try:
            driver = await self._browser_session.wait_until_ready(
                deadline_s=dispatch.command.deadline_s
            )
        except SessionUnavailable as unavailable:
            return claims.not_sent_result(unavailable.error)
        match await driver.look_up(dispatch.command.phone):
            case browser.OnWhatsApp(chat_id):
                dispatch.chat_id = dispatch.resolved_chat_id = chat_id
                return None
            case browser.NotOnWhatsApp():
                return Failed(error=Error("recipient_not_on_whatsapp"))
            case browser.LookupFailed(detail):
                return claims.not_sent_result(Error("lookup_failed", detail))

    async def claim(self, dispatch: PendingDispatch) -> None:
        """Make its claim durable under the link of now, so that its turn begins with the submit."""
        if (
            isinstance(dispatch.decision, OpenClaim)
            and self._browser_session.state.link is not None
        ):
            await self._ensure_claim(dispatch)

    async def _ensure_claim(self, dispatch: PendingDispatch) -> None:
        previous_claim = self._claim_store.get(dispatch.whatsapp_id)
        link = self._browser_session.state.link
        chat_id = dispatch.chat_id or self._get_chat_id(dispatch)
        expected = (dispatch.command.dispatch_number, chat_id, link)
        if (
            previous_claim is not None
            and previous_claim.is_open
            and (previous_claim.dispatch_number, previous_claim.chat_id, previous_claim.link)
            == expected
        ):
            return
        dispatch.is_claimed = True
        claim = claims.new_claim(
            dispatch.command, previous_claim, chat_id=chat_id, link=link, now_s=time.time()
        )
        await self._claim_store.put(dispatch.whatsapp_id, claim)

    async def withdraw_claim(self, dispatch: PendingDispatch) -> None:
        """Take back a claim of which nothing was given to the page."""
        if dispatch.is_claim_revocable:
            await self._claim_store.put(dispatch.whatsapp_id, dispatch.previous_claim)

    # -- its turn

    async def send(self, dispatch: PendingDispatch) -> Result:
        """Everything until the result. One at a time."""
        async with self._page_lock:
            return await self._send(dispatch)

    async def collect_garbage(self) -> None:
        """Between two releases: look after the page. What comes meanwhile waits."""
        async with self._page_lock:
            driver = self._browser_session.driver
            if driver is not None and self._browser_session.state.phase is browser.Phase.READY:
                await self._collect_page_garbage(driver)

    async def _send(self, dispatch: PendingDispatch) -> Result:
        decision: OpenClaim | Reconcile | SubmitAgain | WaitForAck | Conclude = dispatch.decision
        while not isinstance(decision, Conclude):
            match decision:
                case Reconcile():
                    decision = await self._reconcile(dispatch)
                case WaitForAck():
                    decision = await self._wait_for_ack(dispatch)
                case OpenClaim() | SubmitAgain():
                    decision = await self._attempt(dispatch, isinstance(decision, SubmitAgain))
        if isinstance(decision.result, Sent | OutcomeUnknown):
            self._pacer.record_sent(decision.result.at_s)
        return decision.result

    async def _reconcile(self, dispatch: PendingDispatch) -> SubmitAgain | WaitForAck | Conclude:
        lookup = await self._reconciler.reconcile(dispatch.whatsapp_id, self._get_chat_id(dispatch))
        return claims.after_lookup(
            dispatch.command,
            self._get_claim(dispatch),
            lookup,
            link=self._browser_session.state.link,
            submit_count=dispatch.submit_count,
            now_s=time.time(),
        )

    async def _wait_for_ack(self, dispatch: PendingDispatch) -> Conclude:
        timeout_s = self._limits.ack_timeout_s
        lookup = await self._reconciler.wait_for_ack(
            dispatch.whatsapp_id, self._get_chat_id(dispatch), timeout_s
        )
        return claims.after_wait(lookup, time.time())

    # -- an attempt

    async def _attempt(self, dispatch: PendingDispatch, is_resubmit: bool) -> Conclude | Reconcile:
        """Submit it. `settled`: an earlier attempt was looked for, and is not to be trusted blindly."""
        content = _decode_content(dispatch.command.content)
        if content is None:
            return _conclude_not_sent(
                Error("internal_error", "the content cannot be read"), is_resubmit
            )
        driver = await self._acquire_page(dispatch)
        if isinstance(driver, Deferred):
            return _conclude_not_sent(driver.error, is_resubmit, driver.until_s)
        await self._confirm_claim(dispatch)
        now_s = time.time()
        if now_s >= dispatch.command.deadline_s:
            return _conclude_not_sent(Error("deadline_exceeded"), is_resubmit)
        dispatch.submit_count += 1
        dispatch.is_handed_over = True
        self._pacer.record_submit(now_s)
        result = await driver.submit(self._make_submission(dispatch, content, now_s))
        return await self._handle_submit_result(result, dispatch, is_resubmit)

    async def _acquire_page(self, dispatch: PendingDispatch) -> Driver | Deferred:
        """Its turn, with a page that has been looked after now and then."""
        driver = await self._wait_until_allowed(dispatch)
        if isinstance(driver, Deferred):
            return driver
        self._submit_count += 1
        if self._submit_count % GC_EVERY:
            return driver
        return (
            await self._wait_until_allowed(dispatch)
            if await self._collect_page_garbage(driver)
            else driver
        )

    async def _collect_page_garbage(self, driver: Driver) -> bool:
        """Whether the page is being loaded anew; nothing of ours is in it now."""
        try:
            return await driver.collect_garbage()
        except BrowserError as error:
            log.info("the page cannot be looked after now: %s", error)
            return False

    async def _confirm_claim(self, dispatch: PendingDispatch) -> None:
        """The claim stands under the link of now, and the lane is ours; nothing is awaited after this."""
        while True:
            await self._ensure_claim(dispatch)
            await self._fence.ensure_member()
            if self._get_claim(dispatch).link == self._browser_session.state.link:
                return

    def _make_submission(
        self, dispatch: PendingDispatch, content: Mapping[str, Any], now_s: float
    ) -> Submission:
        remaining_lease_s = self._limits.lease_s - (self._fence.heartbeat_age_s() or 0.0)
        return Submission(
            whatsapp_id=dispatch.whatsapp_id,
            chat_id=self._get_chat_id(dispatch),
            content=content,
            submit_before_s=min(dispatch.command.deadline_s, now_s + remaining_lease_s),
            reply_to=dispatch.command.reply_to,
            ack_timeout_s=self._limits.ack_timeout_s,
        )

    async def _wait_until_allowed(self, dispatch: PendingDispatch) -> Driver | Deferred:
        """Wait until the session, the pace and the account's standing let it go."""
        try:
            driver = await self._browser_session.wait_until_ready(
                deadline_s=dispatch.command.deadline_s
            )
        except SessionUnavailable as unavailable:
            return Deferred(error=unavailable.error)
        now_s = time.time()
        deferral = self._restrictions.defer_if_restricted(self._browser_session.state.link, now_s)
        if deferral is not None:
            return deferral
        at_s, code = self._pacer.next_send_at_s()
        if at_s <= now_s:
            return driver
        if at_s > min(now_s + MAX_PACE_WAIT_S, dispatch.command.deadline_s):
            self._on_paced()
            return Deferred(error=Error(code or "account_rate_limited"), until_s=at_s)
        await asyncio.sleep(at_s - now_s)
        return await self._wait_until_allowed(dispatch)

    async def _handle_submit_result(
        self, result: SubmitResult, dispatch: PendingDispatch, is_resubmit: bool
    ) -> Conclude | Reconcile:
        match result:
            case browser.ServerAccepted(at_s):
                return Conclude(Sent(at_s=at_s))
            case browser.InDoubt(code, detail):
                log.warning(
                    "release %d: %s: looking for its id", dispatch.command.dispatch_number, code
                )
                return Reconcile()
            case browser.NotSubmitted(code, detail):
                return _conclude_not_sent(
                    _make_not_submitted_error(code, detail, dispatch.command.deadline_s),
                    is_resubmit,
                )
            case browser.ServerRefused(code, detail):
                error = error_for(code, detail)
                if error.error_class is ErrorClass.RESTRICTED:
                    await self._restrictions.restrict(
                        error, self._get_claim(dispatch).link, time.time()
                    )
                return Conclude(Failed(error=error))

    def _get_claim(self, dispatch: PendingDispatch) -> Claim:
        claim = self._claim_store.get(dispatch.whatsapp_id)
        assert claim is not None, "its row is there until it is answered"
        return claim

    def _get_chat_id(self, dispatch: PendingDispatch) -> str:
        chat_id = self._get_claim(dispatch).chat_id
        assert chat_id is not None, "only what has a chat is claimed"
        return chat_id


def _conclude_not_sent(error: Error, is_resubmit: bool, until_s: float = 0.0) -> Conclude:
    """This attempt sent nothing; what an earlier one did is as open as it was, unless it is past help."""
    if is_resubmit and error.error_class is not ErrorClass.PERMANENT:
        return Conclude(claims.in_doubt_result(f"{error.code}: {error.detail}", until_s))
    return Conclude(claims.not_sent_result(error, until_s))


def _make_not_submitted_error(code: str, detail: str, deadline_s: float) -> Error:
    if code == "timeout_before_submit" and time.time() >= deadline_s:
        return Error("deadline_exceeded", detail)
    return error_for(code, detail)


def _decode_content(data: bytes) -> Mapping[str, Any] | None:
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None
