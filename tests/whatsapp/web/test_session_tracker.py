"""The driver's session as it follows from what the page reports, over time. No browser."""

import time
from pathlib import Path
from typing import Any

import pytest

from streams.whatsapp.driver import Phase, SessionState
from streams.whatsapp.web.browser.profile import Profile
from streams.whatsapp.web.session import PageState
from streams.whatsapp.web.session_tracker import SessionTracker
from tests.whatsapp.web.test_session import LINKED, UNLINKED

BAN = {"reason": "temporarily_banned", "remaining_s": None}
QR = {**UNLINKED, "qr": "2@x,a,b,c"}
STARTING = {**UNLINKED, "socket": "OPENING"}
DISCONNECTED = {**LINKED, "socket": "OPENING", "stream": "DISCONNECTED"}


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """A profile without a browser."""
    profile = Profile(tmp_path / "main")
    profile.state_dir.mkdir(parents=True)
    return profile


@pytest.fixture
def tracker(profile: Profile) -> SessionTracker:
    """A tracker whose browser has just been started."""
    tracker = SessionTracker(profile)
    tracker.start()
    return tracker


def show(tracker: SessionTracker, *states: dict[str, Any]) -> SessionState:
    """The session after the page was in each of these states."""
    for state in states:
        tracker.on_state(PageState.parse(state))
    return tracker.session


def test_a_ban_survives_a_reload_of_the_page(tracker: SessionTracker) -> None:
    """The page tells of a ban by an event alone, so a new page does not know it."""
    show(tracker, LINKED, {**DISCONNECTED, "ban": {**BAN, "remaining_s": 60.0}})
    until_s = tracker.session.until_s
    assert until_s == pytest.approx(time.time() + 60.0, abs=5.0)
    tracker.on_page_lost("page_lost")
    assert (tracker.session.phase, tracker.session.until_s) == (Phase.RESTRICTED, until_s)
    session = show(tracker, STARTING, DISCONNECTED)
    assert (session.phase, session.reason) == (Phase.RESTRICTED, "temporarily_banned")


def test_a_ban_is_never_lifted_before_its_end(tracker: SessionTracker) -> None:
    """Also not for a page that is connected again: to send before the end would be the next breach."""
    until_s = show(tracker, {**DISCONNECTED, "ban": {**BAN, "remaining_s": 60.0}}).until_s
    session = show(tracker, DISCONNECTED, LINKED)
    assert (session.phase, session.until_s) == (Phase.RESTRICTED, until_s)


def test_a_ban_without_an_end_ends_with_the_next_connection(tracker: SessionTracker) -> None:
    """A page that is connected again has been let in."""
    show(tracker, {**DISCONNECTED, "ban": BAN})
    assert show(tracker, DISCONNECTED).phase is Phase.RESTRICTED
    assert show(tracker, LINKED).phase is Phase.READY
    assert show(tracker, DISCONNECTED).phase is Phase.RECONNECTING


def test_a_ban_ends_with_its_time(tracker: SessionTracker) -> None:
    """After its end, a page that still connects is reconnecting."""
    show(tracker, {**DISCONNECTED, "ban": {**BAN, "remaining_s": -1.0}})
    assert tracker.session.phase is Phase.RESTRICTED
    assert show(tracker, DISCONNECTED).phase is Phase.RECONNECTING


@pytest.mark.parametrize(
    ("states", "reason"),
    [
        ([{**LINKED, "logging_out": True, "logout_reason": "account_locked"}], "account_locked"),
        ([STARTING, {**QR, "logout_code": "3"}], "account_locked"),
        ([STARTING, {**QR, "logout_code": "1"}], "sync_failed"),
        ([STARTING], "unlinked"),
    ],
)
def test_a_logout_has_its_reason_until_the_next_link(
    tracker: SessionTracker, states: list[dict[str, Any]], reason: str
) -> None:
    """The reason comes from the page that logs out, or from the address of the next one."""
    link = show(tracker, LINKED).link
    session = show(tracker, *states, states[-1] if states[-1].get("qr") else QR)
    assert (session.phase, session.reason, session.phone) == (Phase.LINKING, reason, None)
    assert session.link != link
    session = show(tracker, LINKED)
    assert (session.phase, session.reason) == (Phase.READY, None)


def test_a_logout_is_the_news_until_the_next_code(
    profile: Profile, tracker: SessionTracker
) -> None:
    """The page reloads itself after a logout; and after a restart the code still says why it is needed."""
    show(tracker, LINKED, {**LINKED, "logging_out": True, "logout_reason": "device_removed"})
    tracker.on_page_lost("page_navigated")
    for session in (tracker.session, show(tracker, STARTING)):
        assert (session.phase, session.reason) == (Phase.LOGGED_OUT, "device_removed")
    assert show(tracker, QR).reason == "device_removed"
    restarted = SessionTracker(profile)
    restarted.start()
    session = show(restarted, STARTING, QR)
    assert (session.phase, session.reason) == (Phase.LINKING, "device_removed")
    assert show(restarted, LINKED).reason is None


def test_an_account_that_was_never_linked_has_no_reason(tracker: SessionTracker) -> None:
    """That distinguishes it from one that was logged out."""
    session = show(tracker, STARTING, QR)
    assert (session.phase, session.reason) == (Phase.LINKING, None)


@pytest.mark.parametrize("sign", [{"storage_broken": True}, {"logout_code": "0"}])
def test_a_failed_storage_is_not_a_lost_link(tracker: SessionTracker, sign: dict[str, Any]) -> None:
    """Two browsers on one profile, or a full disk: the attempts in doubt of the link stay in doubt."""
    link = show(tracker, LINKED).link
    session = show(tracker, STARTING, {**QR, **sign})
    assert session.phase in {Phase.LOGGED_OUT, Phase.LINKING}
    assert (session.reason, session.link) == ("storage_failed", link)


def test_a_repaired_storage_has_its_link(tracker: SessionTracker) -> None:
    """The login was there all the time."""
    link = show(tracker, LINKED).link
    assert show(tracker, {**QR, "storage_broken": True}, STARTING, LINKED).link == link


def test_no_code_is_shown_for_a_broken_storage(tracker: SessionTracker) -> None:
    """Whoever scanned it would make a link that is lost at once."""
    show(tracker, LINKED)
    assert show(tracker, {**QR, "storage_broken": True}).qr is None


def test_a_new_scan_is_a_new_link(tracker: SessionTracker) -> None:
    """Also for the same number, and after a failed storage, which had kept the link."""
    link = show(tracker, LINKED).link
    kept = show(tracker, {**QR, "logout_code": "0"}).link
    assert kept == link
    assert show(tracker, LINKED).link != link


def test_a_start_keeps_the_link(tracker: SessionTracker) -> None:
    """A linked page is unauthenticated for a moment while it starts."""
    link = show(tracker, LINKED).link
    tracker.on_page_lost("page_lost")
    assert show(tracker, STARTING, DISCONNECTED, LINKED).link == link


def test_a_low_disk_is_degraded(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning comes at twice the space without which the profile would not be opened."""
    tracker = SessionTracker(profile, min_free_disk_mb=100)
    monkeypatch.setattr(profile, "measure_free_disk_mb", lambda: 199)
    assert show(tracker, LINKED).degraded == ("disk_nearly_full",)
    monkeypatch.setattr(profile, "measure_free_disk_mb", lambda: 200)
    assert show(tracker, LINKED).degraded == ()


def test_progress_and_retry_are_passed_on(tracker: SessionTracker) -> None:
    """A person sees how far the synchronization is, and when the page connects next."""
    assert show(tracker, {**LINKED, "delivery_ended": False, "progress": 7}).progress == 7
    assert show(tracker, {**DISCONNECTED, "retry_at_s": 99.0}).until_s == 99.0
