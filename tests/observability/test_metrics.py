"""Metrics: what a scrape returns."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.contract.account import AccountRecord
from streams.observability.account_monitor import AccountCollector
from streams.observability.account_status import AccountStatus
from streams.observability.lag import LagMetrics
from streams.observability.metrics import (
    DispatcherMetrics,
    PhaseGauge,
    new_registry,
    read_version,
)


def read_samples(registry: CollectorRegistry) -> dict[str, float]:
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
        partitions=read,
        phones_waiting=read,
        dispatches_in_flight=read,
        overdue_s=read,
        flights_overdue=read,
    )


def test_every_worker_exports_its_name_and_its_resource_use() -> None:
    """Version, readiness, memory and CPU are exported too, and two registries are independent."""
    ready = [False]
    one = new_registry("dispatch-1", lambda: ready[0])
    two = read_samples(new_registry("sender-main", lambda: True))
    samples = read_samples(one)
    assert samples["wa_worker worker=dispatch-1"] == 1
    assert "wa_worker worker=dispatch-1" not in two
    assert samples["process_resident_memory_bytes"] > 0
    assert samples["process_open_fds"] > 0
    assert samples[f"wa_build_info version={read_version()}"] == 1
    assert samples["wa_kafka_client_errors_total"] >= 0
    assert (samples["wa_ready"], two["wa_ready"]) == (0, 1)
    ready[0] = True
    assert read_samples(one)["wa_ready"] == 1


def test_the_accounts_are_exported() -> None:
    """One sample for each state, and the age of the heartbeat; an account that never ran has none."""
    record = AccountRecord(account="main", state="ready", since="")
    registry = CollectorRegistry()
    statuses = [AccountStatus("main", record, 12.0), AccountStatus("new")]
    AccountCollector(registry, lambda: statuses)
    samples = read_samples(registry)
    current = {name for name, value in samples.items() if value == 1}
    assert current == {
        "wa_account_state account=main state=ready",
        "wa_account_state account=new state=stopped",
    }
    assert samples["wa_account_heartbeat_age_seconds account=main"] == 12.0
    statuses[0] = AccountStatus("main", record, 31.0)
    assert read_samples(registry)["wa_account_state account=main state=down"] == 1


def test_what_limits_an_account_is_exported() -> None:
    """Restricted, or ready with a reason; a silent account has no numbers any more, and one without a cap no cap."""
    records = {
        "banned": AccountRecord(account="banned", state="restricted", since="", sent_today=7),
        "careful": AccountRecord(
            account="careful", state="ready", since="", reason="many_undelivered", daily_cap=9
        ),
        "free": AccountRecord(account="free", state="ready", since=""),
    }
    statuses = {name: AccountStatus(name, record, 12.0) for name, record in records.items()}
    registry = CollectorRegistry()
    AccountCollector(registry, lambda: statuses.values())
    samples = read_samples(registry)
    assert [samples[f"wa_account_limited account={name}"] for name in records] == [1, 1, 0]
    assert samples["wa_account_sent_today account=banned"] == 7
    assert samples["wa_account_daily_cap account=careful"] == 9
    assert "wa_account_daily_cap account=free" not in samples
    statuses["banned"] = AccountStatus("banned", records["banned"], 31.0)
    samples = read_samples(registry)
    assert samples["wa_account_heartbeat_age_seconds account=banned"] == 31
    assert "wa_account_limited account=banned" not in samples


def test_what_a_dispatcher_counts(registry: CollectorRegistry) -> None:
    """Records by disposition, statuses and dead letters are counted, from 0."""
    metrics = dispatcher(registry, lambda: 0)
    metrics.count_record("forwarded", 0.02)
    metrics.count_record("forwarded", -1.0)
    metrics.count_record("tombstone", 0.02)
    metrics.count_status("accepted")
    metrics.count_dead_letter("queue_full")
    metrics.count_illegal_transition()
    metrics.count_missing_payload("lost")
    metrics.count_contradicting_receipt()
    metrics.count_resolved_flight("in_doubt")
    samples = read_samples(registry)
    assert [
        samples[f"wa_records_total disposition={disposition}"]
        for disposition in ("forwarded", "rejected", "tombstone")
    ] == [
        2,
        0,
        1,
    ]
    assert (
        samples["wa_statuses_total status=accepted"],
        samples["wa_statuses_total status=sent"],
    ) == (
        1,
        0,
    )
    assert samples["wa_dead_letters_total reason=queue_full"] == 1
    assert samples["wa_illegal_transitions_total"] == 1
    assert samples["wa_contradicting_receipts_total"] == 1
    assert samples["wa_dispatches_resolved_total result=in_doubt"] == 1
    assert samples["wa_missing_payloads_total case=lost"] == 1
    assert samples["wa_missing_payloads_total case=already_published"] == 0
    assert samples["wa_record_age_seconds_bucket le=0.025"] == 3


def test_gauges_are_read_at_each_scrape(registry: CollectorRegistry) -> None:
    """No code has to set them."""
    now = [0.0]
    dispatcher(registry, lambda: now[0])
    names = (
        "wa_partitions",
        "wa_phones_waiting",
        "wa_dispatches_in_flight",
        "wa_dispatches_overdue",
        "wa_oldest_due_seconds",
    )
    assert [read_samples(registry)[name] for name in names] == [0] * 5
    now[0] = 7.0
    assert [read_samples(registry)[name] for name in names] == [7] * 5


def test_a_session_has_one_phase(registry: CollectorRegistry) -> None:
    """The session of an account is 1 for its present phase, and 0 for all others."""
    phases = PhaseGauge(registry, "wa_session", "Phase of the session", ["linking", "ready"])
    phases.set_phase("linking")
    phases.set_phase("ready")
    assert read_samples(registry) == {"wa_session phase=linking": 0, "wa_session phase=ready": 1}


def test_the_lag_of_each_partition(registry: CollectorRegistry) -> None:
    """The time at which it was read is exported too."""
    lag = LagMetrics(registry)
    lag.set_lag("wa.outbound", 3, lag=12, lost_records=1)
    lag.set_read_time(1000.0)
    assert read_samples(registry) == {
        "wa_lag_records partition=3 topic=wa.outbound": 12,
        "wa_lag_lost_records partition=3 topic=wa.outbound": 1,
        "wa_lag_read_timestamp_seconds": 1000,
    }
