"""Feeds scenarios and single values to the evaluation, as the dispatcher feeds it samples."""

from collections.abc import Sequence

from streams.domain.alerts.evaluation import AlertKey, Change, State, evaluate
from streams.domain.alerts.expressions import Latest, Selector
from streams.domain.alerts.history import SampleHistory
from streams.domain.alerts.rules import RULES, Rule, needed_s
from streams.domain.alerts.sample import Sample, Series
from tests.deploy.scenarios import STEP_S, Scenario

START_S = 1_800_000_000.0
METRIC = "wa_messages_waiting"
RULE = Rule(
    name="queue_long",
    summary="Too many",
    severity="warning",
    expression=Latest(Selector(METRIC), by=("account",)),
    above=10,
    for_s=60.0,
)
KEY = AlertKey("queue_long", (("account", "main"),))


def sample(value: float | None, worker: str = "dispatch-1", metric: str = METRIC) -> Sample:
    """One series of one worker; None: it exports nothing."""
    series = () if value is None else (Series(metric, {"account": "main"}, value),)
    return Sample(worker=worker, series=series)


class AlertWorld:
    """One evaluator, with the time of its samples."""

    def __init__(self, rules: Sequence[Rule] = (RULE,), state: State | None = None) -> None:
        self.rules = rules
        self.now_s = START_S
        self.history = SampleHistory({METRIC: 3600.0, **needed_s()})
        self.state: State = state or {}
        self.changes: list[Change] = []

    def feed(self, *samples: Sample, after_s: float = STEP_S) -> list[Change]:
        """These samples come after so many seconds, and are evaluated. Returns what has changed."""
        self.now_s += after_s
        for each in samples:
            self.history.add(each, self.now_s)
        self.state, changes = evaluate(self.state, self.history, self.now_s, self.rules)
        self.changes += changes
        return changes

    def feed_for(self, value: float | None, seconds: float) -> list[Change]:
        """The same value in each sample of this time."""
        steps = int(seconds / STEP_S)
        return [change for _ in range(steps) for change in self.feed(sample(value))]

    def raised(self) -> set[AlertKey]:
        """What is raised now."""
        return {key for key, known in self.state.items() if known.raised_at_s is not None}


def find_raised_minutes(scenario: Scenario) -> tuple[set[int], set[AlertKey]]:
    """The minutes in which the alert of this scenario is raised, and every alert that is ever raised."""
    world = AlertWorld(RULES)
    minutes: set[int] = set()
    raised: set[AlertKey] = set()
    workers = sorted({exported.worker for exported in scenario.exported})
    for step in range(scenario.steps):
        samples = [
            Sample(
                worker=worker,
                series=tuple(
                    Series(each.metric, dict(each.labels), value)
                    for each in scenario.exported
                    if each.worker == worker and (value := each.values[step]) is not None
                ),
            )
            for worker in workers
        ]
        world.feed(*samples, after_s=STEP_S if step else 0.0)
        raised |= world.raised()
        is_raised = any(key.rule == scenario.rule for key in world.raised())
        if is_raised and step * STEP_S % 60 == 0:
            minutes.add(step * STEP_S // 60)
    return minutes, raised
