"""What WhatsApp's page stops offering: one log line and a metric. No page, no Kafka."""

import logging
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streams.sender.metrics import Metrics
from streams.sender.monitoring.page_monitor import GROUPS, PageMonitor
from streams.testing.fake_driver import FakeDriver
from streams.whatsapp.diagnosis import Diagnosis, Document, PageDiagnosis
from streams.whatsapp.driver import Phase, SessionState

ADAPTER = Path(__file__).parents[2] / "streams" / "whatsapp" / "web" / "adapter"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def monitor(registry: CollectorRegistry) -> PageMonitor:
    return PageMonitor("main", Metrics(registry))


def read_missing(registry: CollectorRegistry) -> dict[str, float | None]:
    """The metric, by group."""
    name = "wa_page_symbols_missing"
    return {group: registry.get_sample_value(name, {"group": group}) for group in GROUPS}


def test_every_group_of_symbols_is_counted() -> None:
    """A group that the adapter has and the metric has not would be missing without an alert."""
    source = (ADAPTER / "symbols.js").read_text()
    assert tuple(re.findall(r"^    (\w+): \{$", source, re.MULTILINE)) == GROUPS


def test_a_symbol_that_disappears_is_logged_once(
    monitor: PageMonitor, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each change, however often the page reports the same; the metric counts by group."""
    caplog.set_level(logging.WARNING)
    degraded = ("disk_nearly_full", "resend/resendMsg", "sending/gate", "sending/ACK")
    for _ in range(3):
        monitor.update(SessionState(Phase.READY, degraded=degraded))
    assert len(caplog.records) == 1
    assert "does not offer resend/resendMsg, sending/ACK, sending/gate:" in caplog.text
    missing = read_missing(registry)
    assert (missing["sending"], missing["resend"], missing["receipts"]) == (2, 1, 0)


def test_a_page_that_is_replaced_says_nothing_new(
    monitor: PageMonitor, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    """While there is no page, nothing is known of it: the metric stays, and no line repeats."""
    caplog.set_level(logging.WARNING)
    broken = SessionState(Phase.READY, degraded=("sending/gate",))
    for session in (broken, SessionState(Phase.RECONNECTING, reason="page_lost"), broken):
        monitor.update(session)
        assert read_missing(registry)["sending"] == 1
    assert len(caplog.records) == 1


def test_a_symbol_that_comes_back_is_not_missing(
    monitor: PageMonitor, registry: CollectorRegistry
) -> None:
    """WhatsApp loads modules late, and its next update may bring a symbol back."""
    monitor.update(SessionState(Phase.READY, degraded=("sending/gate",)))
    monitor.update(SessionState(Phase.READY))
    assert set(read_missing(registry).values()) == {0}


def test_an_interruption_is_counted_once(monitor: PageMonitor, registry: CollectorRegistry) -> None:
    """Only from ready to something else, by what it became; the first connection is not one."""
    phases = (Phase.STARTING, Phase.READY, Phase.READY, Phase.RECONNECTING, Phase.SYNCING)
    for phase in (*phases, Phase.READY, Phase.RECONNECTING):
        monitor.update(SessionState(phase))
    counts = {
        phase: registry.get_sample_value("wa_sender_interruptions_total", {"phase": phase.value})
        for phase in (Phase.RECONNECTING, Phase.SYNCING, Phase.STARTING)
    }
    assert counts == {Phase.RECONNECTING: 2, Phase.SYNCING: 0, Phase.STARTING: 0}


async def test_the_versions_of_the_page_are_a_metric(
    monitor: PageMonitor, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhatsApp replaces its page every few weeks, so a change of behaviour is compared with its version."""

    async def diagnose(_: FakeDriver) -> Diagnosis:
        page = PageDiagnosis(Document(whatsapp_version="2.3000.1044822804", wa_js_version="4.6.0"))
        return Diagnosis(taken_at_s=0.0, phase="ready", page=page, chromium_version="156.0")

    monkeypatch.setattr(FakeDriver, "diagnose", diagnose)
    await monitor.record_versions(FakeDriver())
    labels = {"whatsapp": "2.3000.1044822804", "wa_js": "4.6.0", "chromium": "156.0"}
    assert registry.get_sample_value("wa_page_info", labels) == 1


async def test_without_a_page_no_version_is_recorded(
    monitor: PageMonitor, registry: CollectorRegistry
) -> None:
    """A driver without a page has no version to tell."""
    await monitor.record_versions(FakeDriver())
    samples = [metric.samples for metric in registry.collect() if metric.name == "wa_page_info"]
    assert samples == [[]]
