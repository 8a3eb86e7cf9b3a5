"""The warm-up ladder: what a setting means, and that no day ever has more than it allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.new_recipients import WINDOW_S, NewRecipients, make_key
from streams.domain.accounts.pace_rules import PaceRules, limits_at
from streams.domain.accounts.pacing import DAY_S, CurrentPace, Pace, Pacer
from streams.domain.accounts.warm_up import DEFAULT_LADDER, Ladder, Step, parse_ladder

SMALL = parse_ladder("1:1/2,2:2/3,4:3/5")
UNPACED = Pace(interval_s=0.0, per_minute=0)
whole_seconds = st.integers(0, 86_400)


def test_what_a_setting_means() -> None:
    """Steps as they are written; `off` has none, and `default` ends without a limit."""
    assert parse_ladder("off") == Ladder()
    assert SMALL.steps == (Step(1, 1, 2), Step(2, 2, 3), Step(4, 3, 5))
    assert parse_ladder("default") == parse_ladder(DEFAULT_LADDER)
    assert parse_ladder("default").step_at(31 * DAY_S) == Step(31, 0, 0)
    assert parse_ladder("1:1/2, 5:0/0").step_at(4 * DAY_S) == Step(5, 0, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be off, default, or steps"),
        ("on", "must be off, default, or steps"),
        ("1:20", "must be off, default, or steps"),
        ("1:20/-5", "must be off, default, or steps"),
        ("1:20/50,", "must be off, default, or steps"),
        ("1:٣/50", "must be off, default, or steps"),
        ("2:20/50", "must begin on day 1"),
        ("0:20/50", "must begin on day 1"),
        ("1:20/50,1:30/60", "day 1 must come after day 1"),
        ("1:20/50,3:20/40", "the step of day 3 must not allow less"),
        ("1:0/50,3:20/50", "the step of day 3 must not allow less"),
        ("1:60/50", "the step of day 1 allows fewer messages than new recipients"),
    ],
)
def test_a_wrong_ladder_is_refused(text: str, problem: str) -> None:
    """The error says which step is wrong, and how a ladder is written."""
    with pytest.raises(ValueError, match=problem):
        parse_ladder(text)


def test_a_step_begins_with_its_day() -> None:
    """Day 1 begins with the first link; the change that comes next is known."""
    assert SMALL.step_at(-5.0) == SMALL.step_at(DAY_S - 1) == Step(1, 1, 2)
    assert SMALL.step_at(DAY_S) == SMALL.step_at(3 * DAY_S - 1) == Step(2, 2, 3)
    assert SMALL.step_at(100 * DAY_S) == Step(4, 3, 5)
    assert (SMALL.next_change_s(DAY_S + 5), SMALL.next_change_s(3 * DAY_S)) == (
        2 * DAY_S - 5,
        float("inf"),
    )


def make_pacer(born_s: float, restarted_with: list[float]) -> Pacer:
    """The pacer of an account that was linked then, as a new process makes it from what was sent."""
    rules = PaceRules(UNPACED, ladder=SMALL)

    def pace_at(now_s: float) -> CurrentPace:
        limits = limits_at(rules, age_s=now_s - born_s, restrictions=(), now_s=0.0)
        return CurrentPace(limits.messages, now_s + limits.changes_in_s)

    pacer = Pacer(UNPACED, pace_at=pace_at, max_per_day=SMALL.max_messages)
    for at_s in restarted_with:
        pacer.record_sent(at_s)
    return pacer


@given(st.lists(st.tuples(whole_seconds, st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_no_day_has_more_messages_than_the_ladder(
    steps: list[tuple[float, bool, bool]],
) -> None:
    """In any sequence of sends, waits and restarts; and what waits goes as soon as the ladder allows it."""
    born_s, sent = 5_000.0, list[float]()
    now_s, pacer = born_s, make_pacer(born_s, [])
    for pause_s, is_restarted, waits in steps:
        now_s += pause_s
        if is_restarted:
            pacer = make_pacer(born_s, sent)
        while waits and (wait_s := pacer.next_wait_s(now_s)[0]) > 0:
            now_s += wait_s
        allowed = SMALL.step_at(now_s - born_s).messages
        recent = [at_s for at_s in sent if at_s > now_s - DAY_S]
        wait_s, code = pacer.next_wait_s(now_s)
        assert (wait_s > 0) == (len(recent) >= allowed)
        if wait_s > 0:
            assert code == "account_daily_cap"
            continue
        pacer.record_submit(now_s)
        pacer.record_answer(now_s, may_be_sent=True)
        sent.append(now_s)


@given(st.lists(st.tuples(whole_seconds, st.integers(0, 9), st.booleans()), max_size=60))
def test_no_day_has_more_new_recipients_than_the_limit(
    steps: list[tuple[float, int, bool]],
) -> None:
    """Against a list of all first messages: whoever was written to goes on, and a restart forgets nobody."""
    limit, now_s, recipients = 3, 0.0, NewRecipients()
    first: dict[str, float] = {}
    for pause_s, person, is_restarted in steps:
        now_s += pause_s
        key = make_key("+905550000001", str(person))
        if is_restarted:
            recipients = NewRecipients()
            recipients.load(first.items())
        recent = [at_s for at_s in first.values() if at_s > now_s - WINDOW_S]
        assert recipients.count_last_day(now_s) == len(recent)
        assert recipients.is_known(key) == (key in first)
        if key in first:
            continue
        next_s = recipients.next_allowed_s(now_s, limit)
        assert (next_s > now_s) == (len(recent) >= limit)
        if next_s <= now_s:
            recipients.record(key, now_s)
            first[key] = now_s
    times_s = sorted(first.values())
    assert all(
        later - earlier >= DAY_S for earlier, later in zip(times_s, times_s[limit:], strict=False)
    )


def test_the_oldest_recipients_are_forgotten() -> None:
    """A few at a time, and only after a month."""
    recipients = NewRecipients()
    recipients.load([("b", 2.0), ("a", 1.0), ("c", 40 * DAY_S)])
    assert recipients.take_expired(30 * DAY_S, 9) == []
    assert recipients.take_expired(41 * DAY_S, 1) == ["a"]
    assert recipients.take_expired(41 * DAY_S, 9) == ["b"]
    assert recipients.is_known("c")
    assert make_key("+1", "2") != make_key("+2", "2")
