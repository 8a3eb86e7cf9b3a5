"""When a page is reloaded, replaced or given up: the supervisor with a page that answers from a list."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.whatsapp.errors import (
    AdapterError,
    DiskFull,
    PageHung,
    PageIncomplete,
    PageLost,
    PageNavigated,
    WhatsAppUnreachable,
)
from streams.whatsapp.start_timer import StartTimer
from streams.whatsapp.web.browser.launch import BrowserConfig, Timeouts
from streams.whatsapp.web.browser.profile import Profile
from streams.whatsapp.web.page_supervisor import PageSupervisor
from streams.whatsapp.web.recovery_policy import RecoveryLevel, RecoverySettings
from streams.whatsapp.web.session import PageState, derive_phase
from tests.whatsapp.web.test_session import LINKED, UNLINKED

MAX_FAILURES = 3
QR = {**UNLINKED, "qr": "2@x,a,b,c"}
SYNCING = {**LINKED, "delivery_ended": False}
DISCONNECTED = {**LINKED, "socket": "OPENING", "stream": "DISCONNECTED"}

Answer = Mapping[str, Any] | Exception


class FakePage:
    """A page that is in each of these states for one `listen`. After the last, it answers no more."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = iter(answers)

    async def call(self, name: str, argument: Mapping[str, Any], timeout_s: float) -> Any:
        assert name == "listen"
        await asyncio.sleep(0.002)
        answer = next(self._answers, None)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return {"events": [], "last": 0, "state_version": 1, "state": answer}

    async def inject(self) -> None:
        """The document that follows is the next state in the list."""


class FakeOpener:
    """Opens what the test has prepared: a page, or an error. Records the levels."""

    is_browser_alive = True

    def __init__(self, openings: Iterable[Sequence[Answer] | Exception]) -> None:
        self._openings = iter(openings)
        self.levels: list[RecoveryLevel] = []
        self.page: FakePage | None = None
        self.linked_at_s: float | None = None
        self.start_timer = StartTimer()

    async def open(self, level: RecoveryLevel) -> None:
        self.levels.append(level)
        self.linked_at_s = None
        opening = next(self._openings)
        if isinstance(opening, PageNavigated):
            self.page = FakePage([LINKED])
        if isinstance(opening, Exception):
            raise opening
        self.page = FakePage(opening)

    async def close(self) -> None:
        self.page = None


class Observer:
    """Records what the supervisor reports."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def on_state(self, state: PageState) -> None:
        self.reports.append(str(derive_phase(state).phase))

    def on_page_replacement(self, state: PageState) -> None:
        self.reports.append("replacement")

    def on_event(self, event: Mapping[str, Any]) -> None:
        raise AssertionError(event)

    def on_page_lost(self, reason: str) -> None:
        self.reports.append(reason)


class Harness:
    """A supervisor with a fake opener."""

    def __init__(
        self,
        folder: Path,
        openings: Iterable[Sequence[Answer] | Exception],
        reconnect_timeout_s: float = 3600.0,
    ) -> None:
        profile = Profile(folder)
        profile.state_dir.mkdir(parents=True)
        profile.create_link(LINKED["phone"])
        config = BrowserConfig(
            folder,
            timeouts=Timeouts(heartbeat_s=0.1, answer_s=0.1),
            recovery=RecoverySettings(
                max_failures=MAX_FAILURES,
                backoff_base_s=0.001,
                backoff_max_s=0.002,
                stuck_timeout_s=0.05,
                stall_timeout_s=0.05,
                reconnect_timeout_s=reconnect_timeout_s,
            ),
        )
        self.observer = Observer()
        self.opener = FakeOpener(openings)
        self.supervisor = PageSupervisor(config, profile, "", self.observer, lambda: 0.5)
        self.supervisor._opener = self.opener  # type: ignore[assignment]

    async def run(self, timeout_s: float = 10.0) -> str:
        """The supervisor's result, or `StopIteration` when the openings are used up."""
        try:
            return await asyncio.wait_for(self.supervisor.run(), timeout_s)
        except RuntimeError as error:  # a StopIteration inside a coroutine
            return type(error.__cause__).__name__

    async def run_for_a_moment(self) -> None:
        """Run until the page does not answer any more."""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(self.supervisor.run(), 0.3)


@pytest.mark.parametrize("error", [PageLost("dead"), PageHung("hung"), AdapterError("x", "y")])
async def test_a_page_that_keeps_dying_is_given_up(tmp_path: Path, error: Exception) -> None:
    """The supervisor returns the reason, and the sender starts a new browser later."""
    harness = Harness(tmp_path / "main", itertools.repeat([error]))
    assert (await harness.run()).startswith("gave up: ")
    assert len(harness.opener.levels) == MAX_FAILURES


@pytest.mark.parametrize("error", [WhatsAppUnreachable("net::"), PageIncomplete("no modules")])
async def test_a_network_is_waited_for_without_end(tmp_path: Path, error: Exception) -> None:
    """Far more attempts than a dying page gets, each of them a reload."""
    harness = Harness(tmp_path / "main", [error] * 30)
    assert await harness.run() == "StopIteration"
    assert set(harness.opener.levels[1:]) == {RecoveryLevel.RELOAD}


async def test_a_stuck_page_is_replaced_without_end(tmp_path: Path) -> None:
    """It answers and makes no progress; it is replaced far more often than a dying page would be."""
    harness = Harness(tmp_path / "main", [[SYNCING] * 100 for _ in range(8)])
    assert await harness.run() == "StopIteration"
    assert harness.observer.reports.count("page_stuck") == 8


@pytest.mark.parametrize(
    "states",
    [
        [DISCONNECTED] * 100,
        [{**SYNCING, "progress": n} for n in range(100)],
        [{**LINKED, "stopped": True, "stream": "DISCONNECTED"}] * 100,
        [{**DISCONNECTED, "service_unavailable": True}] * 100,
        [QR] * 100,
    ],
    ids=["backing off", "progress", "replaced", "unavailable", "linking"],
)
async def test_a_page_that_waits_is_left_alone(
    tmp_path: Path, states: list[Mapping[str, Any]]
) -> None:
    """WhatsApp's own back-off of up to 900 s is respected; whoever scans a code may take hours."""
    harness = Harness(tmp_path / "main", [[*states]])
    await harness.run_for_a_moment()
    assert len(harness.opener.levels) == 1


async def test_a_page_that_backs_off_for_an_hour_is_replaced(tmp_path: Path) -> None:
    """Its own loop never waits longer than 990 s (source: WAWebCommsConfigBase), so it has ended."""
    harness = Harness(tmp_path / "main", [[DISCONNECTED] * 200, [LINKED]], reconnect_timeout_s=0.1)
    await harness.run_for_a_moment()
    assert harness.observer.reports[-2:] == ["page_stuck", "ready"]


@pytest.mark.parametrize(("pending", "is_reloaded"), [(0, True), (1, False)])
async def test_no_reload_while_a_message_is_pending(
    tmp_path: Path, pending: int, is_reloaded: bool
) -> None:
    """A page forgets to send what the server has not acked when it is reloaded."""
    state = {**LINKED, "pending": pending}
    harness = Harness(tmp_path / "main", [[state] * 200, [LINKED] * 200])
    running = asyncio.create_task(harness.supervisor.run())
    await asyncio.sleep(0.02)
    assert await harness.supervisor.reload() is is_reloaded
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (RecoveryLevel.RELOAD in harness.opener.levels) is is_reloaded


async def test_a_page_that_keeps_a_message_to_itself_is_replaced(tmp_path: Path) -> None:
    """It is ready, and the server never acks one and the same message: only another page gets it out."""
    stalled = {**LINKED, "pending": 1, "pending_since_ms": 1000.0}
    harness = Harness(tmp_path, [[stalled] * 200, [LINKED]])
    await harness.run_for_a_moment()
    assert harness.opener.levels == [RecoveryLevel.NEW_BROWSER, RecoveryLevel.RELOAD]
    assert "page_stuck" in harness.observer.reports


async def test_messages_that_come_and_go_are_no_stall(tmp_path: Path) -> None:
    """Each is acked, and there is always another one; nothing counts while the page is not connected."""
    pages = [{**LINKED, "pending": 1, "pending_since_ms": float(number)} for number in range(60)]
    waiting = {**DISCONNECTED, "pending": 1, "pending_since_ms": 1000.0}
    harness = Harness(tmp_path, [[*pages, *[waiting] * 60]])
    await harness.run_for_a_moment()
    assert harness.opener.levels == [RecoveryLevel.NEW_BROWSER]


async def test_a_dead_page_is_replaced_also_while_a_message_is_pending(tmp_path: Path) -> None:
    """The message is sent again by its attempt; a page that does not answer sends nothing any more."""
    harness = Harness(tmp_path / "main", [[{**LINKED, "pending": 3}, PageHung("hung")], [LINKED]])
    await harness.run_for_a_moment()
    assert harness.opener.levels == [RecoveryLevel.NEW_BROWSER, RecoveryLevel.NEW_PAGE]


async def test_a_page_that_navigates_while_it_is_opened_is_followed(tmp_path: Path) -> None:
    """A page without storage logs out at its start, and reloads itself (source: WAWebStartBackend)."""
    harness = Harness(tmp_path / "main", [PageNavigated("context was destroyed")])
    await harness.run_for_a_moment()
    assert harness.observer.reports == ["page_navigated", "ready"]
    assert harness.opener.levels == [RecoveryLevel.NEW_BROWSER]


async def test_a_page_that_keeps_reloading_itself_is_slowed_down(tmp_path: Path) -> None:
    """The server refuses its version again and again: wait between the attempts, and never give up."""
    answers: list[Answer] = [DISCONNECTED, PageNavigated("context was destroyed")]
    harness = Harness(tmp_path / "main", [answers * 6] * 5)
    assert await harness.run() == "StopIteration"
    assert harness.observer.reports.count("page_stuck") == 5


async def test_a_page_without_codes_is_reloaded(tmp_path: Path) -> None:
    """It could not refresh its code; that is not a failure."""
    idle = {**UNLINKED, "idle": True, "needs_reload": True}
    harness = Harness(tmp_path / "main", [[QR, idle], [QR]])
    await harness.run_for_a_moment()
    assert harness.opener.levels == [RecoveryLevel.NEW_BROWSER, RecoveryLevel.RELOAD]
    assert "qr_expired" in harness.observer.reports


async def test_a_new_scan_of_the_same_number_is_a_new_login(tmp_path: Path) -> None:
    """The page is replaced before it is ready, so that the login is on disk."""
    harness = Harness(tmp_path / "main", [[QR, SYNCING, LINKED], [LINKED]])
    await harness.run_for_a_moment()
    assert harness.opener.levels == [RecoveryLevel.NEW_BROWSER, RecoveryLevel.NEW_PAGE]
    assert harness.observer.reports == ["linking", "syncing", "replacement", "ready"]


async def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    """The caller waits and starts it again: no profile may be opened meanwhile."""
    harness = Harness(tmp_path / "main", [DiskFull("1 MB are free")])
    with pytest.raises(DiskFull):
        await harness.run()
