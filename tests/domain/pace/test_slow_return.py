"""The slow return after a restriction: a quarter, half, and normal, by the time since its end."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.pace_rules import AccountLimits, PaceRules, limits_at
from streams.domain.accounts.pacing import MINUTE_S, CurrentPace, Pace, Pacer
from streams.domain.accounts.restriction import Restriction
from streams.domain.accounts.slow_return import return_after
from streams.domain.accounts.warm_up import parse_ladder

HOUR_S = 3600.0
PACE = Pace(interval_s=1.0, per_minute=8, per_day=100)
RULES = PaceRules(PACE, new_chat_interval_s=2.0, ladder=parse_ladder("1:10/50"))


def pause(since_s: float, until_s: float, **fields: object) -> Restriction:
    """A restriction of everything in this time."""
    values = {"code": "account_rate_limited", "link": "link-1", **fields}
    return Restriction(since_s=since_s, until_s=until_s, **values)  # pyright: ignore[reportArgumentType]


def limits_after(
    *restrictions: Restriction, now_s: float, rules: PaceRules = RULES
) -> AccountLimits:
    """The limits of a new account after these."""
    return limits_at(rules, age_s=0.0, restrictions=restrictions, now_s=now_s)


def test_the_pace_doubles_up_to_normal() -> None:
    """A step is as long as the restriction was; every limit is lower, and none is 0."""
    hour = pause(0.0, HOUR_S)
    curve = [limits_after(hour, now_s=HOUR_S * n).messages for n in (1, 1.99, 2, 2.99, 3)]
    quarter, half = Pace(4.0, 2, 13), Pace(2.0, 4, 25)
    assert curve == [quarter, quarter, half, half, Pace(1.0, 8, 50)]
    at_end = limits_after(hour, now_s=HOUR_S)
    assert at_end.changes_in_s == HOUR_S
    assert at_end.messages_return.ends_at_s == 3 * HOUR_S
    assert at_end.strangers == Pace(8.0, 2, 3)
    assert limits_after(hour, now_s=3 * HOUR_S).strangers == Pace(2.0, 0, 10)


def test_a_step_takes_a_minute_at_least_and_a_day_at_most() -> None:
    """A pause that a person lifted at once, a ban of a month, and one whose end nobody knows."""
    for until_s, step_s in ((1.0, 60.0), (30 * 86_400.0, 86_400.0)):
        restriction = pause(0.0, until_s)
        assert return_after(restriction, until_s).ends_at_s == until_s + 2 * step_s
    assert return_after(pause(0.0, 0.0, has_no_end=True), 86_399.0).fraction == 0.25


def test_a_lock_on_new_chats_slows_strangers_alone() -> None:
    """Conversations went on all the time, and go on at the normal pace."""
    lock = pause(0.0, HOUR_S, code="reachout_timelocked", scope="new_chats")
    limits = limits_after(lock, now_s=HOUR_S)
    assert limits.messages == Pace(1.0, 8, 50)
    assert limits.strangers == Pace(8.0, 2, 3)
    assert limits.messages_return.is_normal
    assert not limits.strangers_return.is_normal
    assert limits.is_counting_recipients
    assert limits.is_pacing_strangers


def test_it_can_be_switched_off_and_lifts_no_limit() -> None:
    """Without it the pace is normal at once; what has no limit gets none."""
    hour = pause(0.0, HOUR_S)
    without = PaceRules(PACE, has_slow_return=False)
    assert limits_after(hour, now_s=HOUR_S, rules=without).messages == PACE
    unpaced = PaceRules(Pace(0.0, 0, 0))
    assert limits_after(hour, now_s=HOUR_S, rules=unpaced).messages == Pace(0.0, 0, 0)


def naive_fraction(restrictions: list[Restriction], now_s: float) -> float:
    """The least part of all, counted step by step."""
    fraction = 1.0
    for restriction in restrictions:
        step_s = min(86_400.0, max(60.0, restriction.until_s - restriction.since_s))
        own, end_s = 0.25, restriction.until_s + step_s
        while own < 1.0 and end_s <= now_s:
            own, end_s = own * 2, end_s + step_s
        fraction = min(fraction, own)
    return fraction


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), max_size=3),
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60),
)
def test_the_return_never_exceeds_its_curve(
    spans: list[tuple[int, int]], sends: list[tuple[int, bool]]
) -> None:
    """In any sequence of sends and restarts, no minute has more than the part of the pace allows at its end."""
    restrictions = [pause(float(start), float(start + span)) for start, span in spans]
    pace, sent, now_s = Pace(interval_s=0.0, per_minute=8), list[float](), 0.0
    rules = PaceRules(pace)

    def pace_at(at_s: float) -> CurrentPace:
        limits = limits_at(rules, age_s=0.0, restrictions=restrictions, now_s=at_s)
        return CurrentPace(limits.messages, at_s + limits.changes_in_s)

    pacer = Pacer(pace, pace_at=pace_at)
    for pause_s, is_restarted in sends:
        now_s += pause_s
        if is_restarted:
            pacer = Pacer(pace, pace_at=pace_at)
            for at_s in sent:
                pacer.record_sent(at_s)
        while (wait_s := pacer.next_wait_s(now_s)[0]) > 0:
            now_s += wait_s
        pacer.record_submit(now_s)
        pacer.record_answer(now_s, may_be_sent=True)
        sent.append(now_s)
        in_minute = [at_s for at_s in sent if at_s > now_s - MINUTE_S]
        assert len(in_minute) <= 8 * naive_fraction(restrictions, now_s)
