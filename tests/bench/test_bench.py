"""The command `bench`, on the whole stack with the simulated WhatsApp."""

import subprocess
import sys

import orjson
import pytest

pytestmark = [pytest.mark.broker, pytest.mark.browser]


def test_bench_measures_and_leaves_nothing() -> None:
    """Its rows are JSON on stdout, its progress is on stderr, and settings of the person do not matter."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "streams.cli",
            "bench",
            "--messages",
            "12",
            "--ack-ms",
            "0",
            "--json",
        ],
        capture_output=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr.decode()
    rows = {row["measure"]: row for row in map(orjson.loads, done.stdout.splitlines())}
    assert {name: row["n"] for name, row in rows.items()} == {
        "one message: accepted": 10,
        "one message: sent": 10,
        "one message: delivered": 10,
        "many at once: accepted": 12,
        "many at once: sent": 12,
    }
    assert all(row.get("p50_ms", row.get("per_s")) > 0 for row in rows.values())
    assert b"SIMULATED" in done.stderr
