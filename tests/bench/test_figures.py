"""What `bench` computes from the times that it saw."""

from streams.bench.figures import Measurement, build_rows, describe_delays, describe_rate

MEASUREMENT = Measurement(
    {"a": 10.0, "b": 10.5, "c": 11.0},
    {("a", "sent"): 10.1, ("b", "sent"): 10.8, ("x", "sent"): 99.0},
)


def test_delays_are_those_of_the_requests_that_have_the_status() -> None:
    """Another run's message counts for nothing, and neither does one without an answer."""
    row = describe_delays("sent", MEASUREMENT.list_delays_ms("sent"))
    assert row == {"measure": "sent", "n": 2, "p50_ms": 200.0, "p95_ms": 300.0, "max_ms": 300.0}
    assert describe_delays("read", MEASUREMENT.list_delays_ms("read")) == {
        "measure": "read",
        "n": 0,
    }


def test_a_rate_is_over_the_whole_time() -> None:
    """From the first request to the last message that has the status."""
    assert describe_rate("sent", MEASUREMENT, "sent") == {"measure": "sent", "n": 2, "per_s": 2.5}
    assert describe_rate("read", MEASUREMENT, "read") == {"measure": "read", "n": 0, "per_s": 0.0}


def test_each_measure_has_a_row() -> None:
    """Also if nothing was measured."""
    rows = build_rows(Measurement({}), Measurement({}))
    assert [row["measure"].split(": ")[1] for row in rows] == [
        "accepted", "sent", "delivered", "accepted", "sent",
    ]  # fmt: skip
