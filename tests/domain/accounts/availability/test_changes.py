"""What changes with the time and with records is found without looking at every account."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.availability.free_times import FreeTimes
from streams.domain.accounts.routing import MAX_BUSY_S, Availability

NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
# So close together that moments and times meet.
times_s = st.sampled_from([0.0, *(1000.0 + MAX_BUSY_S * number / 2 for number in range(8))])
free_times = st.lists(st.tuples(names, times_s))


def make(changes: list[tuple[str, float]]) -> FreeTimes:
    free_times = FreeTimes()
    for name, free_at_s in changes:
        free_times.set(name, free_at_s)
    return free_times


def find_availability(free_at_s: float, now_s: float) -> Availability:
    if free_at_s == 0.0 or free_at_s <= now_s:
        return Availability.READY
    return Availability.CAPPED if free_at_s - now_s > MAX_BUSY_S else Availability.BUSY


@given(changes=free_times, one_s=times_s, other_s=times_s)
def test_only_accounts_whose_moment_lies_between_change(
    changes: list[tuple[str, float]], one_s: float, other_s: float
) -> None:
    """And all of them are found, whichever of the two times is the later one."""
    free_times, by_name = make(changes), dict(changes)
    changed = set(free_times.list_between(one_s, other_s))
    for name, free_at_s in by_name.items():
        before, after = (find_availability(free_at_s, at_s) for at_s in (one_s, other_s))
        assert free_times.get_availability(name, one_s) is before
        assert free_times.get_availability(name, other_s) is after
        assert before is after or name in changed


@given(changes=free_times, now_s=times_s)
def test_nothing_changes_before_the_next_moment(
    changes: list[tuple[str, float]], now_s: float
) -> None:
    """And something does then."""
    free_times, by_name = make(changes), dict(changes)
    next_s = free_times.next_change_s(now_s)
    moments_s = {
        at_s for free_s in by_name.values() if free_s for at_s in (free_s, free_s - MAX_BUSY_S)
    }
    assert next_s == min((at_s for at_s in moments_s if at_s > now_s), default=float("inf"))


@given(
    changes=st.lists(st.tuples(names, st.none() | st.sampled_from(Availability))),
    position=st.integers(0, 20),
)
def test_every_change_since_a_version_is_named(
    changes: list[tuple[str, Availability | None]], position: int
) -> None:
    """Also of an account that has gone; nothing else is."""
    availabilities = Availabilities()
    for name, availability in changes[:position]:
        availabilities.set(name, availability)
    before, version = dict(availabilities), availabilities.version
    touched: set[str] = set()
    for name, availability in changes[position:]:
        touched |= {name} if availabilities.get(name) is not availability else set()
        availabilities.set(name, availability)
    changed = list(availabilities.changed_since(version))
    assert set(changed) == touched
    assert len(changed) == len(touched)
    assert all(availabilities.get(n) is before.get(n) for n in NAMES if n not in touched)
