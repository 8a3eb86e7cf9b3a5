"""Samples: what the rules need of a worker's metrics, and nothing else."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge

from streams.domain.alerts.rules import SPARSE_METRICS, sampled_metrics
from streams.domain.alerts.sample import Sample, Series, decode, encode
from streams.observability.counters import LabelledCounter, ReadCounters
from streams.observability.sampler import Sampler
from tests.support.metrics import make_registries, make_webhook_registry


async def ignore(_: Sample) -> None:
    """Publish nothing."""


def read(registry: CollectorRegistry, *metrics: str) -> list[tuple[str, dict[str, str], float]]:
    sampler = Sampler(registry, "dispatch-1", metrics or sampled_metrics(), ignore)
    return [(series.metric, series.labels, series.value) for series in sampler.read().series]


def test_a_sample_has_the_names_and_values_of_a_scrape() -> None:
    """Of the metrics that are needed alone; a counter has its suffix."""
    registry = CollectorRegistry()
    Gauge("wa_needed", "", ["kind"], registry=registry).labels("a").set(2)
    Gauge("wa_other", "", registry=registry).set(3)
    Counter("wa_counted", "", registry=registry).inc()
    assert read(registry, "wa_needed", "wa_counted_total") == [
        ("wa_needed", {"kind": "a"}, 2.0),
        ("wa_counted_total", {}, 1.0),
    ]


def test_what_is_seldom_true_is_sampled_while_it_is() -> None:
    """Each account has a series for each of its states, of which one is 1."""
    dispatcher, _ = make_registries()
    states = [series for series in read(dispatcher) if series[0] in SPARSE_METRICS]
    assert states == [("wa_account_state", {"account": "main", "state": "ready"}, 1.0)]


def test_workers_export_everything_that_rules_need() -> None:
    """Each metric that is sampled is one of a dispatcher, of a sender or of the webhooks."""
    registries = (*make_registries(), make_webhook_registry())
    found = {name for registry in registries for name, _, _ in read(registry)}
    sometimes = {"wa_messages_waiting", "wa_account_limited"} | {
        "wa_browser_memory_bytes",  # while there is a browser
        "wa_page_symbols_missing",  # once there was a page
        "wa_lag_records",
        "wa_lag_lost_records",  # once the lag was read
    }
    assert found | sometimes == sampled_metrics()


async def test_a_worker_publishes_its_samples() -> None:
    """With the name of the worker, and whether it is the one that evaluates; they can be read back."""
    published: list[Sample] = []
    has_published = asyncio.Event()

    async def publish(sample: Sample) -> None:
        published.append(sample)
        has_published.set()

    registry = CollectorRegistry()
    Gauge("wa_needed", "", registry=registry).set(2)
    sampler = Sampler(registry, "dispatch-1", ["wa_needed"], publish, is_evaluator=lambda: True)
    task = asyncio.create_task(sampler.run())
    async with asyncio.timeout(60):
        await has_published.wait()
    task.cancel()
    expected = Sample(
        worker="dispatch-1", series=(Series("wa_needed", {}, 2.0),), is_evaluator=True
    )
    assert published == [expected]
    assert decode(encode(expected)) == expected
    assert [decode(value) for value in (None, b"", b"\xff", b"{}")] == [None] * 4


def test_counters_begin_at_zero_and_count_each_label() -> None:
    """A series is found again, and one with several labels is its own."""
    registry = CollectorRegistry()
    one = LabelledCounter(registry, "wa_one", "", "kind", initial=("a",))
    two = LabelledCounter(registry, "wa_two", "", "result", "code")
    ReadCounters(registry, {"wa_kept": ("", lambda: 7.0)})
    for _ in range(2):
        one.inc("b")
        two.inc("failed", "timeout")
    samples = registry.get_sample_value
    assert (samples("wa_one_total", {"kind": "a"}), samples("wa_one_total", {"kind": "b"})) == (
        0,
        2,
    )
    assert samples("wa_two_total", {"result": "failed", "code": "timeout"}) == 2
    assert samples("wa_kept_total") == 7
