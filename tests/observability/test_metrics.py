"""Metrics: what a scrape shows of what happened."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.observability.metrics import DispatcherMetrics, LagMetrics, PhaseGauge, new_registry


def shown(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample, as `name{label="value"}`."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        sample.name
        + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def dispatcher(registry: CollectorRegistry, read: Callable[[], float]) -> DispatcherMetrics:
    return DispatcherMetrics(
        registry,
        is_ready=lambda: read() > 0,
        partitions=read,
        phones_waiting=read,
        dispatches_in_flight=read,
        overdue_s=read,
    )


def test_every_worker_shows_who_it_is_and_what_it_takes() -> None:
    """Memory and CPU besides its name; two registries know nothing of each other."""
    one, two = shown(new_registry("dispatch-1")), shown(new_registry("sender-main"))
    assert one["wa_worker worker=dispatch-1"] == 1
    assert "wa_worker worker=dispatch-1" not in two
    assert one["process_resident_memory_bytes"] > 0


def test_what_a_dispatcher_counts(registry: CollectorRegistry) -> None:
    """Records by disposition, statuses, dead letters; what did not happen yet stands at 0."""
    metrics = dispatcher(registry, lambda: 0)
    metrics.count_record("forwarded", 0.02)
    metrics.count_record("forwarded", -1.0)
    metrics.count_record("tombstone", 0.02)
    metrics.count_status("accepted")
    metrics.count_dead_letter("queue_full")
    metrics.count_illegal_transition()
    metrics.count_missing_payload("lost")
    found = shown(registry)
    assert [
        found[f"wa_records_total disposition={disposition}"]
        for disposition in ("forwarded", "rejected", "tombstone")
    ] == [
        2,
        0,
        1,
    ]
    assert (found["wa_statuses_total status=accepted"], found["wa_statuses_total status=sent"]) == (
        1,
        0,
    )
    assert found["wa_dead_letters_total reason=queue_full"] == 1
    assert found["wa_illegal_transitions_total"] == 1
    assert found["wa_missing_payloads_total case=lost"] == 1
    assert found["wa_missing_payloads_total case=already_published"] == 0
    assert found["wa_record_age_seconds_bucket le=0.025"] == 3


def test_gauges_are_read_at_each_scrape(registry: CollectorRegistry) -> None:
    """Nobody has to remember to set them."""
    now = [0.0]
    dispatcher(registry, lambda: now[0])
    names = (
        "wa_ready",
        "wa_partitions",
        "wa_phones_waiting",
        "wa_dispatches_in_flight",
        "wa_oldest_due_seconds",
    )
    assert [shown(registry)[name] for name in names] == [0] * 5
    now[0] = 7.0
    assert [shown(registry)[name] for name in names] == [1, 7, 7, 7, 7]


def test_a_state_is_one_of_its_words(registry: CollectorRegistry) -> None:
    """The session of an account: 1 for the phase it is in, 0 for all others."""
    phases = PhaseGauge(registry, "wa_session", "Phase of the session", ["linking", "ready"])
    phases.set_phase("linking")
    phases.set_phase("ready")
    assert shown(registry) == {"wa_session phase=linking": 0, "wa_session phase=ready": 1}


def test_the_lag_of_each_partition(registry: CollectorRegistry) -> None:
    """And when it was read."""
    lag = LagMetrics(registry)
    lag.set_lag("wa.outbound", 3, lag=12, lost_records=1)
    lag.set_read_time(1000.0)
    assert shown(registry) == {
        "wa_lag_records partition=3 topic=wa.outbound": 12,
        "wa_lag_lost_records partition=3 topic=wa.outbound": 1,
        "wa_lag_read_timestamp_seconds": 1000,
    }
