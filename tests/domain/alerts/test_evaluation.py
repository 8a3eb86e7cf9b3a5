"""When an alert is raised, repeated and cleared: once each, whatever restarts meanwhile."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.alerts.evaluation import (
    CLEAR_AFTER_S,
    REPEAT_AFTER_S,
    Condition,
    with_raised,
)
from streams.domain.alerts.expressions import Increase, Selector
from streams.domain.alerts.history import LOOKBACK_S
from tests.deploy.scenarios import STEP_S
from tests.domain.alerts.alert_world import KEY, METRIC, RULE, AlertWorld, sample

HIGH, LOW = 11.0, 10.0


def test_an_alert_is_raised_once_and_cleared_once() -> None:
    """It carries the value and the time; after it was cleared, it can be raised again."""
    world = AlertWorld()
    assert world.feed_for(HIGH, 60) == []
    [raised] = world.feed_for(HIGH, 600)
    assert (raised.key, raised.is_raised, raised.value) == (KEY, True, HIGH)
    assert raised.at_s == raised.raised_at_s
    [cleared] = world.feed_for(LOW, 600)
    assert (cleared.key, cleared.is_raised, cleared.raised_at_s) == (KEY, False, raised.at_s)
    assert world.state == {}
    [again] = world.feed_for(HIGH, 600)
    assert again.raised_at_s > cleared.at_s


def test_a_condition_that_ends_in_time_raises_nothing() -> None:
    """Its time counts from the start when it comes back."""
    world = AlertWorld()
    for _ in range(5):
        assert world.feed_for(HIGH, 60) + world.feed_for(LOW, STEP_S) == []


def test_a_short_gap_clears_nothing() -> None:
    """While a worker restarts, its metrics are missing."""
    world = AlertWorld()
    world.feed_for(HIGH, 120)
    assert world.feed_for(None, CLEAR_AFTER_S) == []
    assert world.feed_for(HIGH, 600) == []
    assert world.raised() == {KEY}


def test_a_new_evaluator_raises_nothing_twice() -> None:
    """It knows what is raised from the topic alone, and clears it with the time at which it was raised."""
    old = AlertWorld()
    [raised] = old.feed_for(HIGH, 120)
    stored = Condition(raised_at_s=raised.raised_at_s, published_at_s=raised.at_s)
    new = AlertWorld(state=with_raised({}, {KEY: stored}))
    new.now_s = old.now_s
    assert new.feed_for(HIGH, 600) == []
    [cleared] = new.feed_for(LOW, 600)
    assert (cleared.is_raised, cleared.raised_at_s) == (False, raised.raised_at_s)


def test_what_another_evaluator_has_raised_meanwhile_is_not_raised_again() -> None:
    """Before anything is published, the topic is read again."""
    world = AlertWorld()
    [raised] = world.feed_for(HIGH, 75)
    before = {KEY: replace(world.state[KEY], raised_at_s=None, published_at_s=0.0)}
    stored = Condition(raised_at_s=raised.raised_at_s, published_at_s=raised.at_s)
    world.state = with_raised(before, {KEY: stored})
    assert world.feed(sample(HIGH)) == []
    world.state = with_raised(world.state, {})  # somebody has deleted the topic
    assert [change.is_raised for change in world.feed(sample(HIGH))] == [True]


def test_an_alert_that_stays_is_repeated_as_the_same_fact() -> None:
    """Otherwise its record would be deleted by age, and a new evaluator would raise it again."""
    world = AlertWorld()
    [raised] = world.feed_for(HIGH, 75)
    world.now_s += REPEAT_AFTER_S
    [repeat] = world.feed(sample(HIGH))
    assert repeat.is_repeat
    assert (repeat.raised_at_s, repeat.at_s) == (raised.raised_at_s, raised.at_s)
    assert world.feed(sample(HIGH)) == []


def test_an_alert_without_a_rule_is_cleared() -> None:
    """A new version may have removed the rule."""
    world = AlertWorld()
    world.feed_for(HIGH, 75)
    world.rules = ()
    [cleared] = world.feed_for(HIGH, CLEAR_AFTER_S + STEP_S)
    assert not cleared.is_raised


def test_a_worker_that_is_silent_is_not_believed_for_ever() -> None:
    """Its last values hold for five minutes, as in Prometheus, and a series that it no longer exports for none."""
    world = AlertWorld()
    world.feed(sample(HIGH))
    silent_steps = int(LOOKBACK_S / STEP_S)
    values = []
    for _ in range(silent_steps + 1):
        world.feed(sample(1.0, "dispatch-2", "wa_other"))
        values.append(RULE.expression.calculate(world.history, world.now_s))
    assert [bool(value) for value in values] == [True] * (silent_steps - 1) + [False] * 2
    world.feed(sample(HIGH))
    assert RULE.expression.calculate(world.history, world.now_s)
    world.feed(sample(None))
    assert RULE.expression.calculate(world.history, world.now_s) == {}


def test_a_counter_that_starts_again_has_grown_to_its_value() -> None:
    """Its worker was restarted; what it had counted before is counted too."""
    world = AlertWorld()
    for value in (5.0, 8.0, 2.0, 3.0):
        world.feed(sample(value))
    increase = Increase(Selector(METRIC), 600.0, by=("account",))
    assert increase.calculate(world.history, world.now_s) == {KEY.labels: 3.0 + 2.0 + 1.0}


def test_a_clock_that_was_set_back_mixes_no_times() -> None:
    """The samples from before are forgotten: the points of a series are in order."""
    world = AlertWorld()
    world.feed_for(HIGH, 120)
    world.feed(sample(LOW), after_s=-3600)
    [series] = world.history.select(METRIC)
    assert [point.value for point in series.points] == [LOW]
    world.feed_for(HIGH, 60)
    assert [change.is_raised for change in world.changes] == [True]
    world.feed_for(LOW, CLEAR_AFTER_S + STEP_S)
    assert [change.is_raised for change in world.changes] == [True, False]


def test_memory_is_bounded() -> None:
    """Samples that no rule looks back to are forgotten, and so are workers that are gone."""
    world = AlertWorld()
    world.feed(sample(HIGH, "gone"))
    world.feed_for(HIGH, 2 * 3600)
    [series] = world.history.select(METRIC)
    assert series.labels["worker"] == "dispatch-1"
    assert len(series.points) <= 3600 / STEP_S + 60 / STEP_S + 1


@given(st.lists(st.sampled_from((HIGH, LOW, None)), max_size=200))
def test_changes_alternate(values: list[float | None]) -> None:
    """Whatever happens, an alert is raised only if it is not, and cleared only if it is."""
    world = AlertWorld()
    for value in values:
        world.feed(sample(value))
    raised = [change.is_raised for change in world.changes]
    assert raised == [index % 2 == 0 for index in range(len(raised))]
    assert (KEY in world.raised()) == (len(raised) % 2 == 1)
