"""The alert rules by Prometheus' own judge: they are valid, and each alert is raised and cleared at its time."""

from pathlib import Path
from typing import Any

import yaml
from prometheus_client.exposition import generate_latest

from deploy.generate.__main__ import FOLDER
from deploy.generate.panels import ROWS
from deploy.generate.rules import get_alert_name
from streams.domain.alerts.rules import RULES, Rule
from tests.deploy.promtool import run_promtool
from tests.deploy.scenarios import SCENARIOS, STEP_S, Exported, Scenario, Value
from tests.support.metrics import make_registries

RULES_FILE = FOLDER / "prometheus" / "rules.yml"
INPUT_STEP = f"{STEP_S}s"
RULE_BY_NAME = {rule.name: rule for rule in RULES}


def render_series(exported: Exported) -> dict[str, str]:
    labels = {**exported.labels, "job": "wa-streams", "instance": exported.worker}
    matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return {
        "series": f"{exported.metric}{{{matchers}}}",
        "values": " ".join(map(render_value, exported.values)),
    }


def render_value(value: Value) -> str:
    """A series that its target no longer exports is stale at once."""
    return "stale" if value is None else f"{value:.15g}"


def render_test(scenario: Scenario) -> dict[str, Any]:
    rule = RULE_BY_NAME[scenario.rule]
    workers = {exported.worker for exported in scenario.exported}
    names = [
        Exported(worker, "wa_worker", {"worker": worker}, [1.0] * scenario.steps)
        for worker in sorted(workers)
    ]
    return {
        "name": scenario.rule,
        "interval": INPUT_STEP,
        "input_series": [render_series(each) for each in (*scenario.exported, *names)],
        "alert_rule_test": [
            {
                "eval_time": f"{minute}m",
                "alertname": get_alert_name(scenario.rule),
                "exp_alerts": [expect_alert(rule, scenario)]
                if scenario.first <= minute <= scenario.last
                else [],
            }
            for minute in scenario.minutes
        ],
    }


def expect_alert(rule: Rule, scenario: Scenario) -> dict[str, Any]:
    return {
        "exp_labels": {"severity": rule.severity, **scenario.labels},
        "exp_annotations": {"summary": rule.summary, "runbook": rule.runbook},
    }


def run_tests(folder: Path, *tests: dict[str, Any]) -> None:
    document = {
        "rule_files": [str(RULES_FILE)],
        "evaluation_interval": INPUT_STEP,
        "tests": list(tests),
    }
    path = folder / "tests.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    run_promtool("test", "rules", str(path))


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    """Both files, and the path from one to the other."""
    run_promtool("check", "rules", str(RULES_FILE))
    run_promtool("check", "config", str(FOLDER / "prometheus" / "prometheus.yml"))


def test_promtool_accepts_the_metrics_of_each_worker() -> None:
    """Names, units and help texts follow Prometheus' conventions."""
    for registry in make_registries():
        run_promtool("check", "metrics", text=generate_latest(registry).decode())


def test_each_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    """Grafana puts an interval in the place of its variable."""
    queries = [query for panels in ROWS.values() for panel in panels for query in panel.queries]
    rules = [
        {"record": f"query_{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run_promtool("check", "rules", str(path))


def test_each_alert_is_raised_and_cleared_at_its_time(tmp_path: Path) -> None:
    """In each minute of its scenario, Prometheus fires it, or not, as the scenario says."""
    run_tests(tmp_path, *map(render_test, SCENARIOS))


def test_a_worker_that_does_not_answer_is_an_alert(tmp_path: Path) -> None:
    """Only Prometheus can see it, so it is not in the table of rules."""
    values = ["1"] * 8 + ["0"] * 16 + ["1"] * 8
    expected = {
        "exp_labels": {"severity": "critical", "job": "wa-streams", "instance": "a"},
        "exp_annotations": {
            "summary": "A worker does not answer Prometheus, or there is none",
            "runbook": "docs/runbook/worker_down.md",
        },
    }
    run_tests(
        tmp_path,
        {
            "interval": INPUT_STEP,
            "input_series": [
                {"series": 'up{job="wa-streams",instance="a"}', "values": " ".join(values)}
            ],
            "alert_rule_test": [
                {
                    "eval_time": f"{minute}m",
                    "alertname": "WaWorkerDown",
                    "exp_alerts": [expected] if 4 <= minute < 6 else [],
                }
                for minute in range(8)
            ],
        },
    )
