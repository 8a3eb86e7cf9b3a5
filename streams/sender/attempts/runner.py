"""Runs attempts to their results, each in its turn. Decides nothing and calls no page.

What is done next is decided in streams/domain/sending/attempt.py, and done in executor.py. Here is only when: ahead of
the turn, in it, or beside other messages. An error in here costs one message: every attempt ends in a `Result`.
"""

import asyncio
import logging
from collections.abc import Callable

from streams.contract.request.media import MAX_MB_BY_KIND
from streams.domain.phone.events import Result
from streams.domain.sending import actions
from streams.domain.sending import claim as claims
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.command import SendCommand
from streams.domain.sending.turn_times import TurnTimes
from streams.sender.attempts.executor import ActionExecutor
from streams.sender.attempts.media_fetcher import Media, MediaFetcher
from streams.sender.attempts.permission import SendPermission
from streams.sender.attempts.prelude import Prelude
from streams.sender.attempts.reconciler import Reconciler
from streams.sender.attempts.refusals import RefusalCounter
from streams.sender.attempts.running import RunningAttempt
from streams.sender.attempts.submitter import Fence, Limits, Submitter
from streams.sender.attempts.turn_line import Turn, TurnLine
from streams.sender.browser_session import BrowserSession
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.sender.new_chats import NewChatGuard
from streams.sender.pace.account_pace import AccountPace
from streams.sender.restrictions import RestrictionStore
from streams.system.tasks import await_or_cancel
from streams.whatsapp.driver import LateRefusal

log = logging.getLogger(__name__)


# What two attempts may not do at the same time: the submits keep their order and their pace.
_TURN_ACTIONS = (
    actions.WaitUntilAllowed,
    actions.ConfirmOwnership,
    actions.StoreClaim,
    actions.Submit,
    actions.RestrictAccount,
)


class AttemptRunner:
    """Runs attempts: their first steps ahead of time, then in turn up to the submit, then beside each other.

    A turn ends with the ack, or when the ack is late: then the message waits for it, or is looked for, while other
    messages are submitted. WhatsApp Web itself sends the messages of several chats at the same time.
    """

    def __init__(
        self,
        *,
        browser_session: BrowserSession,
        claim_store: ClaimStore,
        pace: AccountPace,
        restrictions: RestrictionStore,
        new_chats: NewChatGuard,
        limits: Limits,
        prelude: Prelude,
        fence: Fence,
        on_paced: Callable[[], object],
        on_refused: Callable[[int], object],
        media: Media,
        clock: Clock,
    ) -> None:
        """`on_paced` is called when a dispatch is deferred because of the account's pace, `on_refused`
        with the code of each refusal by WhatsApp's server.
        """
        self._browser_session = browser_session
        self._permission = SendPermission(
            browser_session=browser_session,
            pace=pace,
            restrictions=restrictions,
            on_paced=on_paced,
            clock=clock,
        )
        self._refusals = RefusalCounter(restrictions, claim_store, clock)
        self._executor = ActionExecutor(
            browser_session=browser_session,
            claim_store=claim_store,
            refusals=self._refusals,
            permission=self._permission,
            submitter=Submitter(
                pace=pace,
                permission=self._permission,
                new_chats=new_chats,
                limits=limits,
                fence=fence,
                on_refused=on_refused,
                clock=clock,
            ),
            reconciler=Reconciler(browser_session, clock, on_refused),
            media_fetcher=MediaFetcher(media, limits.media_patience_s, clock),
            fence=fence,
            clock=clock,
        )
        self._prelude = prelude
        self._claim_store = claim_store
        self._clock = clock
        self._ack_patience_s = limits.ack_patience_s
        self._turn_line = TurnLine(self._permission.may_go_ahead, clock)

    @property
    def turn_times(self) -> TurnTimes:
        """How long the account's turns take."""
        return self._turn_line.times

    # -- ahead of its submit

    def begin(self, command: SendCommand, whatsapp_id: str) -> RunningAttempt:
        """Read the row and decide what comes first."""
        claim = self._claim_store.get(whatsapp_id)
        deadline_mono_s = self._clock.to_monotonic_s(command.deadline_s)
        attempt = Attempt(command, claim, self._clock.now_s())
        return RunningAttempt(attempt, whatsapp_id, deadline_mono_s, turn=Turn(whatsapp_id))

    async def look_up(self, running: RunningAttempt) -> None:
        """Look the number up, if that comes first."""
        if isinstance(running.attempt.action, actions.LookUpNumber):
            await self._step(running)

    async def fetch_media(self, running: RunningAttempt) -> None:
        """Fetch the file, if that comes first."""
        if running.is_fetching:
            await self._step(running)

    async def claim_ahead(self, running: RunningAttempt) -> None:
        """Make the claim durable under the link of now, so that the submit need not wait for it."""
        link, row = self._browser_session.state.link, self._claim_store.get(running.whatsapp_id)
        claim = running.attempt.claim_ahead(link, row, self._clock.now_s())
        if claim is not None:
            running.attempt.claimed_ahead(await self._executor.store_claim(running, claim))

    async def withdraw(self, running: RunningAttempt) -> None:
        """Take back a claim whose message the page never had."""
        attempt, now_s = running.attempt, self._clock.now_s()
        if attempt.is_withdrawable:
            row = claims.withdrawn_claim(attempt.command, attempt.claim_at_start, now_s)
            await self._claim_store.put(running.whatsapp_id, row)

    # -- to its result

    async def run(self, running: RunningAttempt) -> Result:
        """Execute actions until there is a result."""
        try:
            while (result := running.attempt.result) is None:
                if isinstance(running.attempt.action, _TURN_ACTIONS):
                    await self._run_prelude(running)
                    await self._take_turn(running)
                    await self._prelude.end(running, running.attempt.chat_id)
                else:
                    running.end_turn()
                    await self._step(running)
        finally:
            running.end_turn()
            running.release()
        return result

    async def _run_prelude(self, running: RunningAttempt) -> None:
        """Before the first submit only. What it denies, the turn has nothing to do for."""
        attempt = running.attempt
        is_waiting = isinstance(attempt.action, actions.WaitUntilAllowed)
        if running.has_had_prelude or attempt.submit_count or not is_waiting:
            return
        denied = await self._prelude.run(running, attempt.chat_id, attempt.content)
        if denied is not None:
            attempt.observe(denied, self._clock.now_s())

    async def _take_turn(self, running: RunningAttempt) -> None:
        """Go on until nothing more has to be done alone, or the ack is late. A late ack is waited for outside."""
        late_submit: asyncio.Task[None] | None = None
        with self._turn_line.place(turn := _prepare_turn(running)):
            while late_submit is None and isinstance(running.attempt.action, _TURN_ACTIONS):
                if isinstance(running.attempt.action, actions.Submit):
                    submit, patience_s = self._step(running), self._ack_patience_s
                    late_submit = await self._turn_line.submit(turn, submit, patience_s)
                    continue
                if isinstance(running.attempt.action, actions.WaitUntilAllowed):
                    await self._turn_line.wait(turn)
                await self._step(running)
        if late_submit is not None:
            running.end_turn()
            await await_or_cancel(late_submit)

    async def refuse_late(self, refusal: LateRefusal) -> None:
        """The server has refused a message in doubt: what it says of the account holds from now on."""
        await self._refusals.restrict_late(refusal, self._browser_session.state.link)
        await self.stop_turns()

    async def stop_turns(self) -> None:
        """What the page has ahead of its turn is not submitted, if the account may send nothing now."""
        driver = self._browser_session.driver
        if driver is not None and self._permission.find_denial(driver) is not None:
            await driver.stop_turns()

    async def collect_garbage(self) -> None:
        """Have the page collect its garbage between two attempts; what comes meanwhile waits."""
        with self._turn_line.place(turn := Turn()):
            await self._turn_line.wait(turn)
            await self._permission.collect_garbage()

    async def _step(self, running: RunningAttempt) -> None:
        try:
            observation = await self._executor.execute(running, running.attempt.action)
            running.attempt.observe(observation, self._clock.now_s())
        except Exception as error:
            log.exception("dispatch %d: internal error", running.command.dispatch_number)
            running.attempt.fail(type(error).__name__)


def _prepare_turn(running: RunningAttempt) -> Turn:
    """A file is put into the page before its submit, and so alone."""
    attempt, turn = running.attempt, running.turn
    turn.may_have_followers = attempt.content.get("type") not in MAX_MB_BY_KIND
    is_new = attempt.is_withdrawable and not running.is_stranger
    turn.may_go_ahead = turn.may_have_followers and is_new
    return turn
