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
from streams.domain.errors import Error, ErrorClass, error_for_code
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Conclude, WaitForAck, Claim, Reconcile, OpenClaim, SubmitAgain
from streams.sender.claims import Claims
from streams.sender.job import Job
from streams.sender.looks import SETTLE_WITHIN_S, Looks
from streams.sender.session import NoSession, Seat
from streams.sender.standing import Standing
from streams.whatsapp import driver as browser
from streams.whatsapp.driver import Driver, Submission, SubmitResult
from streams.whatsapp.errors import BrowserError

log = logging.getLogger(__name__)

# The page's memory grows by a third over 2,000 sends when nobody asks V8 to collect, by 8 % otherwise.
TIDY_EVERY: Final = 500  # submits


class Fence(Protocol):
    """Says whether the lane is still ours (streams/runtime/fence.py)."""

    async def check(self) -> None:
        """Returns while it surely is."""
        ...

    def age_s(self) -> float | None:
        """Seconds since the last answered heartbeat."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. Within `lease_s` of a heartbeat that was answered nobody else can own the lane: a page that has
    not submitted by then may not submit any more, whatever has become of us.
    """

    ack_within_s: float
    lease_s: float

    @property
    def longest_s(self) -> float:
        """No release is worked on for longer than this, whatever happens."""
        submit_s = MAX_PACE_WAIT_S + self.lease_s + self.ack_within_s + 10.0
        look_s = SETTLE_WITHIN_S + 15.0 + self.ack_within_s + 15.0
        return claims.MAX_SUBMITS * (submit_s + look_s)


class Sending:
    """Takes releases to WhatsApp, one call at a time; each ends in a result."""

    def __init__(
        self,
        *,
        seat: Seat,
        rows: Claims,
        pacer: Pacer,
        standing: Standing,
        limits: Limits,
        fence: Fence,
        paced: Callable[[], object],
    ) -> None:
        """`paced` is called when a release goes back because of the account's pace."""
        self._seat = seat
        self._looks = Looks(seat)
        self._rows = rows
        self._pacer = pacer
        self._standing = standing
        self._limits = limits
        self._fence = fence
        self._paced = paced
        self._submits = 0
        self._in_turn = asyncio.Lock()

    # -- ahead of its turn

    async def judge(self, job: Job) -> Result | None:
        """Look at the row, and look the number up if nobody knows it; a result if that is the end of it."""
        job.before = self._rows.get(job.whatsapp_id)
        step = claims.decide(job.send, job.before, time.time())
        if isinstance(step, Conclude):
            return step.result
        job.step = step
        if isinstance(step, Reconcile):
            return None
        job.chat_id = job.send.chat_id
        return None if job.chat_id else await self._look_up(job)

    async def _look_up(self, job: Job) -> Result | None:
        try:
            driver = await self._seat.ready(until_s=job.send.deadline_s)
        except NoSession as no:
            return claims.not_sent_result(no.error)
        match await driver.look_up(job.send.phone):
            case browser.OnWhatsApp(chat_id):
                job.chat_id = job.looked_up = chat_id
                return None
            case browser.NotOnWhatsApp():
                return Failed(error=Error("recipient_not_on_whatsapp"))
            case browser.LookupFailed(detail):
                return claims.not_sent_result(Error("lookup_failed", detail))

    async def claim(self, job: Job) -> None:
        """Make its claim durable under the link of now, so that its turn begins with the submit."""
        if isinstance(job.step, OpenClaim) and self._seat.session.link is not None:
            await self._claim(job)

    async def _claim(self, job: Job) -> None:
        row = self._rows.get(job.whatsapp_id)
        link = self._seat.session.link
        chat_id = job.chat_id or self._chat_id(job)
        wanted = (job.send.dispatch_number, chat_id, link)
        if row is not None and row.is_open and (row.dispatch_number, row.chat_id, row.link) == wanted:
            return
        job.claimed = True
        claim = claims.new_claim(job.send, row, chat_id=chat_id, link=link, now_s=time.time())
        await self._rows.put(job.whatsapp_id, claim)

    async def withdraw(self, job: Job) -> None:
        """Take back a claim of which nothing was given to the page."""
        if job.untouched:
            await self._rows.put(job.whatsapp_id, job.before)

    # -- its turn

    async def send(self, job: Job) -> Result:
        """Everything until the result. One at a time."""
        async with self._in_turn:
            return await self._send(job)

    async def tidy(self) -> None:
        """Between two releases: look after the page. What comes meanwhile waits."""
        async with self._in_turn:
            driver = self._seat.driver
            if driver is not None and self._seat.session.phase is browser.Phase.READY:
                await self._tidied(driver)

    async def _send(self, job: Job) -> Result:
        step: OpenClaim | Reconcile | SubmitAgain | WaitForAck | Conclude = job.step
        while not isinstance(step, Conclude):
            match step:
                case Reconcile():
                    step = await self._settle(job)
                case WaitForAck():
                    step = await self._outwait(job)
                case OpenClaim() | SubmitAgain():
                    step = await self._attempt(job, isinstance(step, SubmitAgain))
        if isinstance(step.result, Sent | OutcomeUnknown):
            self._pacer.record_sent(step.result.at_s)
        return step.result

    async def _settle(self, job: Job) -> SubmitAgain | WaitForAck | Conclude:
        seen = await self._looks.look(job.whatsapp_id, self._chat_id(job))
        return claims.after_lookup(
            job.send,
            self._row(job),
            seen,
            link=self._seat.session.link,
            submit_count=job.submits,
            now_s=time.time(),
        )

    async def _outwait(self, job: Job) -> Conclude:
        within_s = self._limits.ack_within_s
        seen = await self._looks.outwait(job.whatsapp_id, self._chat_id(job), within_s)
        return claims.after_wait(seen, time.time())

    # -- an attempt

    async def _attempt(self, job: Job, settled: bool) -> Conclude | Reconcile:
        """Submit it. `settled`: an earlier attempt was looked for, and is not to be trusted blindly."""
        content = _content(job.send.content)
        if content is None:
            return _ended(Error("internal_error", "the content cannot be read"), settled)
        driver = await self._tidy_turn(job)
        if isinstance(driver, Deferred):
            return _ended(driver.error, settled, driver.until_s)
        await self._hold(job)
        now_s = time.time()
        if now_s >= job.send.deadline_s:
            return _ended(Error("deadline_passed"), settled)
        job.submits += 1
        job.in_page = True
        self._pacer.record_submit(now_s)
        result = await driver.submit(self._submission(job, content, now_s))
        return await self._ending(result, job, settled)

    async def _tidy_turn(self, job: Job) -> Driver | Deferred:
        """Its turn, with a page that has been looked after now and then."""
        driver = await self._turn(job)
        if isinstance(driver, Deferred):
            return driver
        self._submits += 1
        if self._submits % TIDY_EVERY:
            return driver
        return await self._turn(job) if await self._tidied(driver) else driver

    async def _tidied(self, driver: Driver) -> bool:
        """Whether the page is being loaded anew; nothing of ours is in it now."""
        try:
            return await driver.tidy()
        except BrowserError as error:
            log.info("the page cannot be looked after now: %s", error)
            return False

    async def _hold(self, job: Job) -> None:
        """The claim stands under the link of now, and the lane is ours; nothing is awaited after this."""
        while True:
            await self._claim(job)
            await self._fence.check()
            if self._row(job).link == self._seat.session.link:
                return

    def _submission(self, job: Job, content: Mapping[str, Any], now_s: float) -> Submission:
        lease_s = self._limits.lease_s - (self._fence.age_s() or 0.0)
        return Submission(
            whatsapp_id=job.whatsapp_id,
            chat_id=self._chat_id(job),
            content=content,
            submit_before_s=min(job.send.deadline_s, now_s + lease_s),
            reply_to=job.send.reply_to,
            ack_within_s=self._limits.ack_within_s,
        )

    async def _turn(self, job: Job) -> Driver | Deferred:
        """Wait until the session, the pace and the account's standing let it go."""
        try:
            driver = await self._seat.ready(until_s=job.send.deadline_s)
        except NoSession as no:
            return Deferred(error=no.error)
        now_s = time.time()
        held = self._standing.held(self._seat.session.link, now_s)
        if held is not None:
            return held
        at_s, code = self._pacer.next_send_at_s()
        if at_s <= now_s:
            return driver
        if at_s > min(now_s + MAX_PACE_WAIT_S, job.send.deadline_s):
            self._paced()
            return Deferred(error=Error(code or "account_rate_limited"), until_s=at_s)
        await asyncio.sleep(at_s - now_s)
        return await self._turn(job)

    async def _ending(self, result: SubmitResult, job: Job, settled: bool) -> Conclude | Reconcile:
        match result:
            case browser.Acked(at_s):
                return Conclude(Sent(at_s=at_s))
            case browser.Uncertain(code, detail):
                log.warning("release %d: %s: looking for its id", job.send.dispatch_number, code)
                return Reconcile()
            case browser.NotSubmitted(code, detail):
                return _ended(_before_submit(code, detail, job.send.deadline_s), settled)
            case browser.Refused(code, detail):
                error = error_for_code(code, detail)
                if error.error_class is ErrorClass.RESTRICTED:
                    await self._standing.restrict(error, self._row(job).link, time.time())
                return Conclude(Failed(error=error))

    def _row(self, job: Job) -> Claim:
        claim = self._rows.get(job.whatsapp_id)
        assert claim is not None, "its row is there until it is answered"
        return claim

    def _chat_id(self, job: Job) -> str:
        chat_id = self._row(job).chat_id
        assert chat_id is not None, "only what has a chat is claimed"
        return chat_id


def _ended(error: Error, settled: bool, until_s: float = 0.0) -> Conclude:
    """This attempt sent nothing; what an earlier one did is as open as it was, unless it is past help."""
    if settled and error.error_class is not ErrorClass.PERMANENT:
        return Conclude(claims.in_doubt_result(f"{error.code}: {error.detail}", until_s))
    return Conclude(claims.not_sent_result(error, until_s))


def _before_submit(code: str, detail: str, deadline_s: float) -> Error:
    if code == "timeout_before_submit" and time.time() >= deadline_s:
        return Error("deadline_passed", detail)
    return error_for_code(code, detail)


def _content(data: bytes) -> Mapping[str, Any] | None:
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None
