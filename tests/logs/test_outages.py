"""A broker outage is one line in the log, however much the clients of Kafka complain."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from streams.logs.outages import KafkaErrors


@dataclass
class Log:
    """The lines of a log with the filter, and its clock."""

    lines: list[str] = field(default_factory=list)
    now_s: float = 100.0

    def write(self, name: str, level: int, text: str, *, exc_info: bool = False) -> None:
        logging.getLogger(f"{name}.test").log(level, text, exc_info=exc_info)


class ListHandler(logging.Handler):
    """Keeps what would be written."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def errors(log: Log) -> Iterator[KafkaErrors]:
    """The filter, on a handler of its own."""
    errors = KafkaErrors(quiet_s=0.05, clock=lambda: log.now_s)
    handler = ListHandler(log.lines)
    handler.addFilter(errors)
    logging.getLogger().addHandler(handler)
    yield errors
    logging.getLogger().removeHandler(handler)


def test_an_outage_is_one_line_and_a_count(log: Log, errors: KafkaErrors) -> None:
    """All that follows the first complaint is counted and left out; the end says how much that was."""
    for _ in range(500):
        log.write("aiokafka", logging.ERROR, "Unable connect to node 1")
        log.write("faust", logging.WARNING, "heartbeat failed")
    assert len(log.lines) == 1
    assert log.lines[0].startswith("Unable connect to node 1 (more warnings")
    assert errors.count == 1000
    log.now_s += 60
    deadline_s = time.monotonic() + 10
    while len(log.lines) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert "999 more lines were left out" in log.lines[1]


def test_the_next_outage_is_a_line_again(log: Log, errors: KafkaErrors) -> None:
    """After a quiet time."""
    log.write("aiokafka", logging.ERROR, "first")
    log.now_s += 60
    log.write("aiokafka", logging.ERROR, "second")
    assert [line.split()[0] for line in log.lines] == ["first", "second"]
    assert errors.count == 2


@pytest.mark.usefixtures("errors")
def test_nothing_else_is_left_out(log: Log) -> None:
    """Our own lines, what is only information, and every traceback."""
    for _ in range(3):
        log.write("aiokafka", logging.ERROR, "an outage")
        log.write("streams", logging.ERROR, "ours")
        log.write("mode", logging.ERROR, "a crash", exc_info=True)
    assert log.lines.count("ours") == 3
    assert log.lines.count("a crash") == 3
