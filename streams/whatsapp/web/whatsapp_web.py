"""The `Driver` on WhatsApp Web: one account in one Chromium, through wa-js.

Kafka, Playwright and WhatsApp's modules may not appear here. Each result of the page becomes one of
the driver's values (answers.py). What is not certain is `InDoubt` or `LookupFailed`, never "no".
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from streams.system.tasks import cancel_tasks
from streams.whatsapp import chats, diagnosing
from streams.whatsapp.diagnosis import Diagnosis
from streams.whatsapp.driver import (
    AckCounts,
    FindResult,
    InDoubt,
    LookupFailed,
    LookUpResult,
    NotOnWhatsApp,
    NotSubmitted,
    OnWhatsApp,
    Phase,
    Received,
    ServerAccepted,
    SessionState,
    Submission,
    SubmitResult,
)
from streams.whatsapp.errors import (
    AdapterError,
    BrowserError,
    DiskFull,
    LinkFailed,
    PageFailure,
    PageLost,
    PageNavigated,
)
from streams.whatsapp.groups import GroupList
from streams.whatsapp.install import bundle, executable
from streams.whatsapp.web import answers
from streams.whatsapp.web.browser.launch import BrowserConfig
from streams.whatsapp.web.browser.profile import Profile
from streams.whatsapp.web.incoming.store import WebIncomingStore
from streams.whatsapp.web.media import is_media, upload, upload_timeout_s
from streams.whatsapp.web.page import WhatsAppPage
from streams.whatsapp.web.page_supervisor import PageSupervisor
from streams.whatsapp.web.questions import PageQuestions
from streams.whatsapp.web.recovery_policy import has_outgrown
from streams.whatsapp.web.session_tracker import SessionTracker

log = logging.getLogger(__name__)

_NOT_READY_CODES = {
    Phase.RESTRICTED: "account_restricted",
    Phase.RECONNECTING: "disconnected",
    Phase.SYNCING: "disconnected",
    Phase.READY: "disconnected",  # the page is just being replaced
}


class WhatsAppWeb(WebIncomingStore):
    """A `Driver`; driver.py says what each call means."""

    def __init__(
        self,
        config: BrowserConfig,
        random_fraction: Callable[[], float] = random.random,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """`now_s` is the clock of all times that are reported: a sender gives the broker's."""
        super().__init__(self._require_ready_page, config.timeouts.look_up_s)
        self._config = config
        self._now_s = now_s
        self._random_fraction = random_fraction
        self._profile = Profile(config.profile_dir)
        self._tracker = SessionTracker(self._profile, config.min_free_disk_mb, now_s=now_s)
        self._questions = PageQuestions(self._require_ready_page)
        self._supervisor: PageSupervisor | None = None
        self._task: asyncio.Task[None] | None = None

    # -- start and stop

    async def start(self) -> None:
        """Raises BrowserMissing, BundleMissing or ProfileInUse. Whatever fails later is a phase."""
        bundle_path = bundle.find_bundle(self._config.bundle)
        executable.find_chromium(self._config.executable, prefer_shell=self._config.prefer_shell)
        bundle_source = await asyncio.to_thread(bundle_path.read_text, encoding="utf-8")
        await self._profile.acquire()
        self._supervisor = PageSupervisor(
            self._config, self._profile, bundle_source, self._tracker, self._random_fraction
        )
        self._tracker.start()
        self._task = asyncio.create_task(self._supervise(self._supervisor), name="page-supervisor")

    async def _supervise(self, supervisor: PageSupervisor) -> None:
        reason: str | None = None
        try:
            reason = await supervisor.run()
        except DiskFull as error:
            log.warning("the browser is not started: %s", error)
            reason = "disk_full"
        except BrowserError as error:
            reason = str(error)
        except Exception as error:
            log.exception("the page supervisor failed")
            reason = f"internal error: {type(error).__name__}"
        finally:
            self._profile.release()
            self._tracker.stop(reason)

    async def stop(self) -> None:  # noqa: D102
        task, self._task = self._task, None
        if task is None:
            return
        await cancel_tasks(task)

    # -- the session

    @property
    def session(self) -> SessionState:  # noqa: D102
        return self._tracker.session

    def watch_session(self) -> AsyncIterator[SessionState]:  # noqa: D102
        return self._tracker.watch_session()

    def watch_incoming(self) -> AsyncIterator[Received]:  # noqa: D102
        return self._tracker.watch_incoming()

    # -- calls

    async def look_up(self, phone: str) -> LookUpResult:  # noqa: D102
        try:
            answer = await self._require_ready_page().call(
                "look_up", {"phone": phone}, self._config.timeouts.look_up_s
            )
        except (AdapterError, PageFailure) as error:
            return LookupFailed(str(error), is_session_lost=answers.is_session_lost(error))
        chat_id = answer["chat_id"]
        return OnWhatsApp(chat_id, answer["phone"]) if chat_id else NotOnWhatsApp()

    async def find_message(self, whatsapp_id: str, chat_id: str) -> FindResult:  # noqa: D102
        argument = {"id": whatsapp_id, "chat_id": chat_id}
        try:
            answer = await self._require_ready_page().call(
                "find_message", argument, self._config.timeouts.look_up_s
            )
        except (AdapterError, PageFailure) as error:
            return LookupFailed(str(error))
        return answers.decode_found(answer)

    async def submit(self, submission: Submission) -> SubmitResult:  # noqa: D102
        try:
            page = self._require_ready_page()
        except PageFailure as error:
            return NotSubmitted(
                _NOT_READY_CODES.get(self.session.phase, "not_logged_in"), str(error)
            )
        before_ms = page.to_page_ms(submission.submit_before_mono_s)
        media_s = upload_timeout_s(submission)
        argument = answers.encode_submission(submission, before_ms, media_s)
        try:
            if is_media(submission.content):
                argument["content"] = await upload(page, submission, self._config.timeouts.answer_s)
        except PageFailure as error:
            return NotSubmitted("page_crashed", str(error))
        except AdapterError as error:
            code = "media_rejected" if error.code == "page_error" else error.code
            return NotSubmitted(code, error.detail)
        return await self._submit(page, submission, argument)

    async def _submit(
        self, page: WhatsAppPage, submission: Submission, argument: Mapping[str, object]
    ) -> SubmitResult:
        remaining_s = max(0.0, submission.submit_before_mono_s - time.monotonic())
        remaining_s += submission.after_timeout_s + upload_timeout_s(submission)
        timeout_s = remaining_s + submission.ack_timeout_s + self._config.timeouts.answer_s
        try:
            await page.call("submit", argument, timeout_s)
        except AdapterError as error:
            return answers.decode_submit_error(error)
        except PageFailure as error:
            return InDoubt("outcome_unknown", str(error))
        return ServerAccepted(self._now_s())

    async def is_new_chat(self, chat_id: str) -> bool:  # noqa: D102
        try:
            page, timeout_s = self._require_ready_page(), chats.IS_NEW_CHAT_TIMEOUT_S
            return (await page.call("is_new_chat", {"chat_id": chat_id}, timeout_s))["is_new"]
        except (AdapterError, PageFailure) as error:
            log.info("the page cannot tell whether a chat is new: %s", error)
            return True

    async def set_typing(self, chat_id: str, *, is_typing: bool) -> bool:  # noqa: D102
        argument = {"chat_id": chat_id, "is_typing": is_typing}
        try:
            await self._require_ready_page().call("set_typing", argument, chats.TYPING_TIMEOUT_S)
        except (AdapterError, PageFailure) as error:
            log.info("the typing indication was not changed: %s", error)
            return False
        return True

    async def delete_chat(self, chat_id: str) -> bool | None:  # noqa: D102
        try:
            page, timeout_s = self._require_ready_page(), chats.DELETE_CHAT_TIMEOUT_S
            return (await page.call("delete_chat", {"chat_id": chat_id}, timeout_s))["was_there"]
        except (AdapterError, PageFailure) as error:
            log.warning("a chat was not deleted: %s", error)
            return None

    async def read_acks(self, ids: Sequence[tuple[str, str]]) -> dict[str, int]:
        """Returns nothing when the page cannot answer."""
        argument = {"ids": [list(pair) for pair in ids]}
        answer = await self._questions.ask("read_acks", argument, self._config.timeouts.look_up_s)
        return answer["acks"] if answer else {}

    async def list_groups(self) -> GroupList | None:  # noqa: D102
        answer = await self._questions.ask("list_groups", {}, self._config.timeouts.look_up_s)
        return GroupList.decode(answer) if answer else None

    async def reconnect(self) -> None:
        """A page that does not answer is replaced anyway."""
        await self._questions.ask("reconnect", {}, self._config.timeouts.answer_s)

    async def stop_turns(self) -> None:
        """A page that does not answer, or is not ready, submits nothing that waits."""
        await self._questions.ask("stop_turns", {}, self._config.timeouts.answer_s)

    @property
    def ack_counts(self) -> AckCounts:  # noqa: D102
        return self._tracker.ack_counts

    async def request_pairing_code(self, phone: str) -> str:
        """Raises LinkFailed."""
        try:
            answer = await self._require_page().call(
                "request_pairing_code", {"phone": phone}, self._config.timeouts.look_up_s
            )
        except (AdapterError, PageFailure) as error:
            raise LinkFailed(str(error)) from error
        self._tracker.set_pairing_code(answer["code"])
        return answer["code"]

    async def logout(self) -> None:
        """Raises PageFailure or AdapterError if the page cannot do it."""
        try:
            await self._require_page().call("logout", {}, self._config.timeouts.answer_s)
        except PageNavigated:
            return

    async def diagnose(self) -> Diagnosis:
        """Starts no browser: without a page there is less to say."""
        supervisor, config = self._supervisor, self._config
        return await diagnosing.diagnose(
            self.session,
            supervisor.page if supervisor else None,
            supervisor.start_times_s if supervisor else {},
            profile_dir=config.profile_dir,
            configured_browser=config.executable,
            prefer_shell=config.prefer_shell,
            now_s=self._now_s(),
        )

    async def collect_garbage(self) -> bool:
        """A page that does not answer is about to be replaced, so then there is nothing to do."""
        try:
            heap_mb, initial_mb = await self._require_page().collect_garbage()
        except PageFailure as error:
            log.info("no garbage was collected: %s", error)
            return False
        max_mb = self._config.page_heap_mb
        if self._supervisor is None or not has_outgrown(heap_mb, initial_mb, max_mb):
            return False
        log.info("the page's heap is %.0f MB, the maximum %d MB: reloading it", heap_mb, max_mb)
        return await self._supervisor.reload()

    def _require_page(self) -> WhatsAppPage:
        page = self._supervisor.page if self._supervisor else None
        if page is None:
            raise PageLost("there is no page now")
        return page

    def _require_ready_page(self) -> WhatsAppPage:
        if self.session.phase is not Phase.READY:
            raise PageLost(f"the session is {self.session.phase}")
        return self._require_page()
