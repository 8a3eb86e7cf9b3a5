"""The Driver on WhatsApp Web: one account in one Chromium, through wa-js.

Nothing here knows Kafka, Playwright or WhatsApp's modules. Each answer of the page becomes one of
the driver's values (answers.py); what is not surely known is `Uncertain` or `LookupFailed`, never
"no".
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from streams.whatsapp.driver import (
    Acked,
    FindResult,
    Found,
    LookupFailed,
    LookUpResult,
    NotFound,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    Phase,
    Receipt,
    Received,
    Session,
    Submission,
    SubmitResult,
    Uncertain,
)
from streams.whatsapp.errors import (
    BrowserError,
    LinkFailed,
    PageLost,
    PageMoved,
    PageRefused,
    PageTrouble,
)
from streams.whatsapp.install import bundle, executable
from streams.whatsapp.web import answers
from streams.whatsapp.web.launch import BrowserConfig
from streams.whatsapp.web.media import is_media, upload
from streams.whatsapp.web.page import WhatsAppPage
from streams.whatsapp.web.page_supervisor import Keeper
from streams.whatsapp.web.profile import Profile
from streams.whatsapp.web.recovery_policy import has_outgrown
from streams.whatsapp.web.session import PageState, is_unlinked, phase_of

log = logging.getLogger(__name__)

_WHY_NOT = {
    Phase.RESTRICTED: "account_restricted",
    Phase.RECONNECTING: "disconnected",
    Phase.SYNCING: "disconnected",
}


class WhatsAppWeb:
    """A `Driver`; see driver.py for what each call means."""

    def __init__(self, config: BrowserConfig, chance: Callable[[], float] = random.random) -> None:
        self._config = config
        self._chance = chance
        self._profile = Profile(config.profile_dir)
        self._keeper: Keeper | None = None
        self._task: asyncio.Task[None] | None = None
        self._session = Session(Phase.STARTING, since_s=time.time())
        self._watching: set[asyncio.Queue[Session]] = set()
        self._receipts: asyncio.Queue[Receipt | Received | None] = asyncio.Queue()

    # -- life

    async def start(self) -> None:
        """Raises BrowserMissing, BundleMissing or ProfileInUse; everything later is a phase."""
        script = bundle.find(self._config.bundle)
        executable.find(self._config.executable, prefer_shell=self._config.prefer_shell)
        text = await asyncio.to_thread(script.read_text, encoding="utf-8")
        await self._profile.take()
        self._receipts = asyncio.Queue()
        self._keeper = Keeper(self._config, self._profile, text, self, self._chance)
        link = self._profile.link()
        self._publish(Session(Phase.STARTING, phone=link.phone, link=link.id))
        self._task = asyncio.create_task(self._keep(self._keeper), name="browser-keeper")

    async def _keep(self, keeper: Keeper) -> None:
        reason: str | None = None
        try:
            reason = await keeper.run()
        except BrowserError as error:
            reason = str(error)
        except Exception as error:
            log.exception("the keeper of the browser failed")
            reason = f"internal error: {type(error).__name__}"
        finally:
            self._profile.give_back()
            self._publish(_stopped(self._session, reason))
            self._receipts.put_nowait(None)

    async def stop(self) -> None:  # noqa: D102
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    # -- session

    @property
    def session(self) -> Session:  # noqa: D102
        return self._session

    async def changes(self) -> AsyncIterator[Session]:  # noqa: D102
        queue: asyncio.Queue[Session] = asyncio.Queue()
        queue.put_nowait(self._session)
        self._watching.add(queue)
        try:
            while True:
                session = await queue.get()
                yield session
                if session.phase is Phase.STOPPED:
                    return
        finally:
            self._watching.discard(queue)

    def _publish(self, session: Session) -> None:
        before = self._session
        since_s = before.since_s if session.phase is before.phase else time.time()
        session = replace(session, since_s=since_s)
        if session == before:
            return
        self._session = session
        for queue in self._watching:
            queue.put_nowait(session)

    # -- what the keeper tells

    def state(self, state: PageState) -> None:
        """A `Watcher`'s part."""
        self._follow_link(state)
        phase, reason = phase_of(state)
        if phase is Phase.STARTING and self._session.phase is not Phase.STARTING:
            phase = Phase.RECONNECTING  # between a logout and the next code
        self._publish_state(state, phase, reason)

    def swapping(self, state: PageState) -> None:
        """A `Watcher`'s part."""
        self._follow_link(state)
        self._publish_state(state, Phase.SYNCING, None)

    def lost(self, reason: str) -> None:
        """A `Watcher`'s part."""
        link = self._profile.link()
        phase = Phase.RECONNECTING if link.phone else Phase.STARTING
        self._publish(Session(phase, phone=link.phone, link=link.id, reason=reason))

    def event(self, event: Mapping[str, Any]) -> None:
        """A `Watcher`'s part."""
        heard = answers.heard(event)
        if heard is not None:
            self._receipts.put_nowait(heard)

    def _follow_link(self, state: PageState) -> None:
        """A link is new when the login is gone, and again when the profile is linked."""
        link = self._profile.link()
        if is_unlinked(state) and link.phone is not None:
            link = self._profile.new_link(None)
            self._publish(Session(Phase.LOGGED_OUT, link=link.id, reason="logged_out"))
        elif state.authenticated and state.phone and state.phone != link.phone:
            self._profile.new_link(state.phone)

    def _publish_state(self, state: PageState, phase: Phase, reason: str | None) -> None:
        link = self._profile.link()
        self._publish(
            Session(
                phase,
                phone=link.phone,
                qr=state.qr,
                pairing_code=state.pairing_code,
                reason=reason,
                link=link.id,
                degraded=state.degraded,
            )
        )

    # -- calls

    async def look_up(self, phone: str) -> LookUpResult:  # noqa: D102
        try:
            answer = await self._ready_page().call(
                "look_up", {"phone": phone}, self._config.timeouts.look_up_s
            )
        except (PageRefused, PageTrouble) as error:
            return LookupFailed(str(error))
        return OnWhatsApp(answer["chat_id"]) if answer["chat_id"] else NotOnWhatsApp()

    async def find(self, whatsapp_id: str, chat_id: str) -> FindResult:  # noqa: D102
        argument = {"id": whatsapp_id, "chat_id": chat_id}
        try:
            answer = await self._ready_page().call(
                "find", argument, self._config.timeouts.look_up_s
            )
        except (PageRefused, PageTrouble) as error:
            return LookupFailed(str(error))
        return NotFound() if answer["ack"] is None else Found(answer["ack"])

    async def submit(self, submission: Submission) -> SubmitResult:  # noqa: D102
        try:
            page = self._ready_page()
            argument = answers.argument(submission)
            if is_media(submission.content):
                argument["content"] = await upload(page, submission, self._config.timeouts.answer_s)
        except PageTrouble as error:
            code = _WHY_NOT.get(self._session.phase, "not_logged_in")
            return NotSubmitted(code, str(error))
        except PageRefused as error:
            code = "media_rejected" if error.code == "page_error" else error.code
            return NotSubmitted(code, error.detail)
        return await self._submit(page, submission, argument)

    async def _submit(
        self, page: WhatsAppPage, submission: Submission, argument: Mapping[str, object]
    ) -> SubmitResult:
        left_s = max(0.0, submission.submit_before_s - time.time())
        within_s = left_s + submission.ack_within_s + self._config.timeouts.answer_s
        try:
            await page.call("submit", argument, within_s)
        except PageRefused as error:
            return answers.submit_result(error)
        except PageTrouble as error:
            return Uncertain("outcome_unknown", str(error))
        return Acked(time.time())

    async def receipts(self) -> AsyncIterator[Receipt | Received]:  # noqa: D102
        while True:
            heard = await self._receipts.get()
            if heard is None:
                return
            yield heard

    async def read_acks(self, ids: Sequence[tuple[str, str]]) -> dict[str, int]:
        """Nothing is known when the page cannot tell."""
        argument = {"ids": [list(pair) for pair in ids]}
        try:
            answer = await self._ready_page().call(
                "read_acks", argument, self._config.timeouts.look_up_s
            )
        except (PageRefused, PageTrouble) as error:
            log.info("acks could not be read: %s", error)
            return {}
        return answer["acks"]

    async def link_by_code(self, phone: str) -> str:
        """Raises LinkFailed."""
        try:
            answer = await self._page().call(
                "link_by_code", {"phone": phone}, self._config.timeouts.look_up_s
            )
        except (PageRefused, PageTrouble) as error:
            raise LinkFailed(str(error)) from error
        self._publish(replace(self._session, phase=Phase.LINKING, pairing_code=answer["code"]))
        return answer["code"]

    async def logout(self) -> None:
        """Raises PageTrouble or PageRefused when the page cannot be told."""
        try:
            await self._page().call("logout", {}, self._config.timeouts.answer_s)
        except PageMoved:
            return

    async def tidy(self) -> bool:
        """A page that cannot be told is about to be replaced: nothing need be done."""
        try:
            heap_mb, fresh_mb = await self._page().collect_garbage()
        except PageTrouble as error:
            log.info("no garbage was collected: %s", error)
            return False
        most_mb = self._config.page_heap_mb
        if self._keeper is None or not has_outgrown(heap_mb, fresh_mb, most_mb):
            return False
        log.info("the page holds %.0f MB, of %d that it may: it is loaded anew", heap_mb, most_mb)
        return await self._keeper.renew()

    def _page(self) -> WhatsAppPage:
        page = self._keeper.page if self._keeper else None
        if page is None:
            raise PageLost("there is no page now")
        return page

    def _ready_page(self) -> WhatsAppPage:
        if self._session.phase is not Phase.READY:
            raise PageLost(f"the session is {self._session.phase}")
        return self._page()


def _stopped(session: Session, reason: str | None) -> Session:
    return replace(session, phase=Phase.STOPPED, reason=reason, qr=None, pairing_code=None)
