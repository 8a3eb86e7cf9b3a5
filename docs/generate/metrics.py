"""The page of the metrics: name, type, labels and help of each, from registries filled as those of workers are."""

from collections.abc import Mapping
from typing import Final

from prometheus_client.metrics_core import Metric

from docs.generate.markdown import code, page, table

# The registries that the tests of deploy/ use too: one list of what workers export.
from tests.support.metrics import exported_labels, make_registries, make_webhook_registry

_INTRODUCTION: Final = """\
Every metric that workers export, with its type and its labels. A histogram has `_bucket`, `_sum` and `_count`.
[Operating](../operating.md#metrics) says what they mean."""
_SUFFIX: Final = {"counter": "_total", "histogram": "_bucket"}


def render_metrics() -> str:
    """The page: a table for each kind of worker."""
    dispatcher, sender = (
        {metric.name: metric for metric in registry.collect() if metric.name.startswith("wa_")}
        for registry in make_registries()
    )
    webhooks = {metric.name: metric for metric in make_webhook_registry().collect()}
    shared = {name: metric for name, metric in dispatcher.items() if name in sender}
    return page(
        "Metrics",
        _INTRODUCTION,
        *_section("Every worker", shared),
        *_section("Dispatcher", {n: m for n, m in dispatcher.items() if n not in shared}),
        *_section("Sender", {n: m for n, m in sender.items() if n not in shared}),
        *_section("Webhooks", {n: m for n, m in webhooks.items() if n.startswith("wa_webhook_")}),
    )


def _section(title: str, metrics: Mapping[str, Metric]) -> tuple[str, str]:
    rows = (_row(metric) for _, metric in sorted(metrics.items()))
    return f"## {title}", table(("metric", "type", "labels", "help"), rows)


def _row(metric: Metric) -> tuple[str, str, str, str]:
    sample = metric.name + _SUFFIX.get(metric.type, "")
    labels = sorted(exported_labels().get(sample, set()) - {"le"})
    name = metric.name + ("_total" if metric.type == "counter" else "")
    return code(name), metric.type, ", ".join(map(code, labels)), metric.documentation
