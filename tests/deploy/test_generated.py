"""The files of deploy/ are those that the tables give, name only what exists, and each alert has its page."""

import json
import re
from pathlib import Path

import pytest
import yaml

from deploy.generate import __main__ as generate
from deploy.generate.panels import ROWS, Panel
from deploy.generate.promql import to_promql
from streams.domain.alerts.expressions import find_metrics
from streams.domain.alerts.rules import RULES, Rule
from tests.deploy.scenarios import SCENARIOS
from tests.support.command_line import command_names
from tests.support.metrics import exported_labels

ROOT = Path(__file__).parents[2]
RUNBOOK = ROOT / "docs" / "runbook"
PANELS = [panel for panels in ROWS.values() for panel in panels]
_METRIC = re.compile(r"\b(?:wa|process)_[a-z_]+\b")
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_MATCHER = re.compile(r"(wa_[a-z_]+)\{([^}]*)\}")
# Prometheus' own labels, and what `group_left` adds.
_ADDED_LABELS = {"job", "instance", "worker", "le"}


def labels_of(metric: str) -> set[str]:
    return exported_labels()[metric]


def test_the_files_are_current() -> None:
    """`make deploy` writes them."""
    assert generate.find_stale() == []
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_names_what_workers_export(rule: Rule) -> None:
    """Its metrics exist, with the labels that it selects and groups by."""
    query = to_promql(rule.expression)
    assert find_metrics(rule.expression) <= exported_labels().keys()
    assert find_unknown(query) == []


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_panel_names_what_workers_export(panel: Panel) -> None:
    """Every metric of each query exists, with the labels of its groups, its matchers and its legend."""
    for query, legend in panel.queries.items():
        assert find_unknown(query) == []
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        metrics = _METRIC.findall(query)
        known = set[str]().union(*(labels_of(metric) for metric in metrics))
        assert shown <= known | _ADDED_LABELS, legend


def find_unknown(query: str) -> list[str]:
    metrics = [name for name in _METRIC.findall(query) if name in exported_labels()]
    known = set[str]().union(*(labels_of(metric) for metric in metrics))
    unknown = [name for name in _METRIC.findall(query) if name not in exported_labels()]
    for group in _GROUPING.findall(query):
        labels = {name.strip() for name in group.split(",")}
        unknown += sorted(labels - known - _ADDED_LABELS)
    for metric, matchers in _MATCHER.findall(query):
        labels = set(re.findall(r"(\w+)[=!]", matchers))
        unknown += sorted(labels - exported_labels().get(metric, set()) - _ADDED_LABELS)
    return unknown


def test_the_dashboard_is_one_that_grafana_lays_out() -> None:
    """Panels have different ids and do not overlap, and every query uses the chosen data source."""
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        position = panel["gridPos"]
        cells = {
            (position["x"] + dx, position["y"] + dy)
            for dx in range(position["w"])
            for dy in range(position["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
    shown = [panel for panel in panels if panel["type"] != "row"]
    assert [panel["title"] for panel in shown] == [panel.title for panel in PANELS]
    assert {target["datasource"]["uid"] for panel in shown for target in panel["targets"]} == {
        "${datasource}"
    }


def test_each_alert_has_a_page_and_a_scenario() -> None:
    """The page begins with the name of the alert; there is no page and no scenario of anything else."""
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    pages = [ROOT / rule["annotations"]["runbook"] for rule in rules["groups"][0]["rules"]]
    assert {path.name for path in pages} == {path.name for path in RUNBOOK.glob("*.md")}
    for path in pages:
        assert path.read_text().startswith(f"# {path.stem}\n"), path.name
    assert [scenario.rule for scenario in SCENARIOS] == [rule.name for rule in RULES]


@pytest.mark.parametrize("page", sorted(RUNBOOK.glob("*.md")), ids=lambda path: path.stem)
def test_a_page_says_what_it_means_and_what_to_do(page: Path) -> None:
    """It has the same three parts, and is short."""
    text = page.read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["What it means", "What to look at", "What to do"]
    assert len(text.splitlines()) <= 40
    commands = set(command_names())
    for words in re.findall(r"`wa-streams ([a-z -]*[a-z])", text):
        names = words.split()
        assert {names[0], " ".join(names[:2])} & commands, words
