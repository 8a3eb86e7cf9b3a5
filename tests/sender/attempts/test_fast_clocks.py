"""No host's wall clock decides anything in a sender: the broker's time, and durations on the monotonic clock."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

import streams
from streams.domain.accounts import restriction as restrictions
from streams.domain.accounts.pacing import Pace
from streams.domain.accounts.restriction import RESTRICTION_DURATION_S, Restriction
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending import claim_times
from streams.domain.sending.message_id import derive_whatsapp_id
from streams.sender.clock import Clock
from tests.sender.conftest import open_sender
from tests.sender.fast import FastSender, make_command, run_until_idle, until

DAY_S = 86_400.0
STEPS = [600.0, -600.0, DAY_S, -DAY_S]
TOO_LATE = Error("deadline_exceeded")
# Where a wall clock is read, and why it decides nothing.
WALL_CLOCKS = {
    "whatsapp/web/page_supervisor.py": "compared with the times of files, of the same clock",
    "whatsapp/web/session_tracker.py": "the default of a driver without a broker, as in `doctor`",
    "whatsapp/web/whatsapp_web.py": "the default of a driver without a broker, as in `doctor`",
    "whatsapp/web/adapter/connection.js": "shown only: the page's own time of its next attempt",
    "whatsapp/web/adapter/restrictions.js": "once for each difference to WhatsApp's clock",
}


@pytest.fixture
async def sender() -> AsyncIterator[FastSender]:
    """An open sender whose account may send two messages a minute."""
    async with open_sender(pace=Pace(interval_s=0.0, per_minute=2)) as sender:
        yield sender


def row_of(sender: FastSender, request_id: str) -> claims.Claim | None:
    """The row of a request's message."""
    return sender.claims.get(derive_whatsapp_id("wa", "main", "+60123456789", request_id))


def test_where_a_wall_clock_is_read() -> None:
    """Nowhere in the sender and its decisions; each place in the driver has its reason above."""
    root = Path(streams.__file__).parent
    folders = ("sender", "domain", "whatsapp")
    paths = [path for name in folders for path in (root / name).rglob("*")]
    files = [path for path in paths if path.is_file() and "node_modules" not in path.parts]
    clock = re.compile(r"\btime\.time\b|datetime\.(now|utcnow)|\bDate\.now\b|new Date\b")
    readers = {
        str(path.relative_to(root))
        for path in files
        if path.suffix in {".py", ".js"} and clock.search(path.read_text())
    }
    assert readers == set(WALL_CLOCKS)


async def test_a_claim_that_is_appended_too_late(sender: FastSender) -> None:
    """The broker's time of the claim decides: nothing is submitted, and the claim does not stay open."""
    sender.append_delay_s = 30.0
    result = await sender.send(make_command("a", timeout_s=30.0))
    assert result == Deferred(error=TOO_LATE)
    row = row_of(sender, "a")
    assert row is not None
    assert row.result == result
    assert sender.driver.submissions == []
    sender.append_delay_s = 29.0
    assert isinstance(await sender.send(make_command("b", timeout_s=30.0)), Sent)


async def test_a_broker_that_names_no_time(sender: FastSender) -> None:
    """Without the broker's time it is not known whether the claim was in time."""
    sender.append_delay_s = float("inf")
    assert await sender.send(make_command("a")) == Deferred(error=TOO_LATE)
    assert sender.driver.submissions == []


async def test_a_process_that_is_frozen_after_its_claim(sender: FastSender) -> None:
    """The claim was in time, and the deadline passes on the monotonic clock: nothing is submitted any more."""
    sender.driver.hold_submits()
    await sender.dispatch(make_command("a"))
    await sender.dispatch(make_command("b", timeout_s=30.0))
    await until(lambda: row_of(sender, "b"))
    await run_until_idle()
    sender.skipped_s += 31.0
    sender.driver.release_submits()
    result = await sender.wait_for_result("b")
    assert isinstance(result, Deferred)
    assert result.error.code == TOO_LATE.code
    assert [message.content["body"] for message in sender.driver.sent] == ["a"]


async def test_a_message_expires_at_its_own_time(sender: FastSender) -> None:
    """`expires_at` is checked with the time of the claim."""
    expires_at_s = sender.now_s + 10.0
    sender.append_delay_s = 10.0
    assert await sender.send(make_command("a", submit_before_s=expires_at_s)) == Deferred(
        error=TOO_LATE
    )
    assert sender.driver.submissions == []


@pytest.mark.parametrize("step_s", STEPS)
async def test_a_step_of_the_brokers_clock(sender: FastSender, step_s: float) -> None:
    """The pace is kept, and nothing stops: the next message goes after a minute, whatever the clock shows."""
    for name in ("a", "b"):
        assert isinstance(await sender.send(make_command(name)), Sent)
    sender.now_s += step_s
    deferred = await sender.send(make_command("c"))
    assert isinstance(deferred, Deferred)
    assert deferred.until_s == pytest.approx(sender.now_s + 60.0, abs=5.0)
    sender.advance(60.0)
    assert isinstance(await sender.send(make_command("c", number=2)), Sent)


@pytest.mark.parametrize("step_s", STEPS)
async def test_a_pause_never_exceeds_its_cap(sender: FastSender, step_s: float) -> None:
    """The broker's clock is set back during a pause: it ends after its longest time at the latest."""
    restriction = await sender.restrictions.restrict(
        Error("account_rate_limited"), sender.driver.link, sender.now_s
    )
    assert restriction.until_s == sender.now_s + 60
    sender.now_s += step_s
    active = sender.restrictions.get_active("everything", sender.driver.link, sender.now_s)
    assert (active is None) == (step_s > 0)
    sender.now_s += 3600.0
    assert sender.restrictions.get_active("everything", sender.driver.link, sender.now_s) is None


@pytest.mark.parametrize(
    ("code", "is_shown", "max_s"),
    [
        ("account_rate_limited", False, 3600.0),
        ("spam_flagged", False, RESTRICTION_DURATION_S),
        ("reachout_timelocked", True, 9 * DAY_S),
    ],
)
def test_a_stored_restriction_is_clamped(code: str, is_shown: bool, max_s: float) -> None:
    """It has begun, and lasts no longer than its rule allows; the end of WhatsApp's own lock is WhatsApp's."""
    stored = Restriction(code=code, since_s=DAY_S, until_s=10 * DAY_S, is_shown=is_shown)
    clamped = restrictions.clamp(stored, DAY_S)
    assert clamped.until_s == DAY_S + max_s
    assert restrictions.clamp(clamped, DAY_S + 1) == clamped
    if not is_shown:
        assert restrictions.clamp(stored, 5.0).since_s == 5.0


async def test_rows_from_the_future_are_corrected(sender: FastSender) -> None:
    """The broker's clock is set back by a day: the rows are kept for their time, and not for a day longer."""
    await sender.send(make_command("a"))
    sender.now_s -= DAY_S
    await sender.claims.sweep()
    await sender.claims.flush()
    row = row_of(sender, "a")
    assert row is not None
    assert max(row.claimed_at_s, row.concluded_at_s) <= sender.now_s
    assert claim_times.clamp_times(row, sender.now_s) == row


async def test_a_window_of_less_than_a_day_forgets_no_count(sender: FastSender) -> None:
    """A repeat after the window is a new message. The row stays for a day: the account has sent it today."""
    await sender.send(make_command("a"))
    sender.advance(7200)
    assert await sender.claims.sweep() == 0
    assert row_of(sender, "a") is None
    assert [row.id async for _, row in sender.claims.scan_all()] == ["a"]
    sender.advance(DAY_S)
    assert [await sender.claims.sweep() for _ in range(2)] == [
        0,
        1,
    ]  # the first one only reaches the end


def test_a_stored_time_after_now_counts_as_now() -> None:
    """The age of a row is never negative."""
    clock = Clock(lambda: 100.0, lambda: 7.0)
    assert (clock.age_s(90.0), clock.age_s(DAY_S)) == (10.0, 0.0)
    assert (clock.to_monotonic_s(110.0), clock.to_broker_s(17.0)) == (17.0, 110.0)


def test_the_append_time_is_not_a_part_of_the_command() -> None:
    """It is the record's: whoever reads the command takes it from there."""
    command = make_command("a", timeout_s=30.0)
    moved = msgspec.structs.replace(command, appended_at_s=5.0)
    assert moved.deadline_s == 35.0
    assert msgspec.structs.replace(moved, submit_before_s=7.0).deadline_s == 7.0
