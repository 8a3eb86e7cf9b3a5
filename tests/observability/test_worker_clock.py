"""The broker's clock of a worker: every worker counts the jumps that it notices."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.dispatch.app import Dispatcher
from streams.sender.app import Sender
from streams.settings import load


def _no_driver(*, now_s: object) -> Any:
    raise AssertionError("this sender is not started")


@pytest.mark.parametrize("kind", ["dispatcher", "sender"])
async def test_every_worker_counts_the_jumps_of_the_clock(kind: str, tmp_path: Path) -> None:
    """A produce response that contradicts the earlier ones is one jump in the worker's metrics."""
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    worker = (
        Dispatcher(settings, "dispatch-1")
        if kind == "dispatcher"
        else Sender(settings, "main", "sender-main", _no_driver)
    )
    clock = worker.clock if isinstance(worker, Dispatcher) else worker.broker_clock
    assert _count_jumps(worker.registry) == 0
    clock.observe(1_000_000.0, 10.0, 10.01)
    clock.observe(1_003_600.0, 11.0, 11.01)
    assert _count_jumps(worker.registry) == 1


def _count_jumps(registry: CollectorRegistry) -> float | None:
    return registry.get_sample_value("wa_broker_clock_jumps_total", {})
