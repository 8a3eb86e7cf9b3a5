"""The table of rules: each alert is raised and cleared at its time, as Prometheus does it with the same samples."""

import pytest

from streams.contract.alerts.record import AlertSeverity
from streams.contract.topics import DAY_MS, PUBLIC_TOPICS
from streams.domain.alerts.evaluation import REPEAT_AFTER_S
from streams.domain.alerts.rules import RULES, Rule, needed_s, sampled_metrics
from streams.kafka.topics import required_topics
from streams.settings import load
from tests.deploy.scenarios import SCENARIOS, Scenario
from tests.domain.alerts.alert_world import find_raised_minutes

MAX_SUMMARY = 70


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.rule)
def test_an_alert_is_raised_and_cleared_at_its_time(scenario: Scenario) -> None:
    """In each minute of its scenario; tests/deploy/test_rules.py asks Prometheus the same."""
    minutes, raised = find_raised_minutes(scenario)
    assert minutes == set(range(scenario.first, scenario.last + 1))
    assert {(key.rule, key.labels) for key in raised} == {
        (scenario.rule, tuple(scenario.labels.items()))
    }


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_one_threshold(rule: Rule) -> None:
    """Above or below; at the threshold itself nothing is wrong."""
    assert (rule.above is None) != (rule.below is None)
    assert not rule.is_broken_by(rule.threshold)
    assert rule.is_broken_by(rule.threshold + (1e-6 if rule.above is not None else -1e-6))


def test_the_words_are_those_of_the_contract() -> None:
    """No two rules have one name, a summary fits in a line of a terminal, and each severity is one of a record."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert [rule.summary for rule in RULES if len(rule.summary) > MAX_SUMMARY] == []
    assert {rule.severity for rule in RULES} <= set(AlertSeverity.__args__)


def test_samples_are_kept_for_as_long_as_a_rule_looks_back() -> None:
    """A new evaluator reads them again; and an alert is repeated before its record is deleted."""
    specs = {spec.name.rpartition(".")[2]: spec for spec in required_topics(load({}))}
    kept_s = int(specs["samples"].config["retention.ms"]) / 1000
    assert needed_s().keys() == sampled_metrics()
    assert max(needed_s().values()) < kept_s
    (alerts,) = (topic for topic in PUBLIC_TOPICS if topic.name == "alerts")
    assert alerts.retention_ms == 30 * DAY_MS
    assert alerts.retention_ms / 2 >= REPEAT_AFTER_S * 1000
