"""A broker outage is one line in the log, however much the clients of Kafka complain."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.logs.outages import KafkaErrors


@dataclass
class Log:
    """The lines of a log with the filter, and its clock."""

    lines: list[str] = field(default_factory=list)
    now_s: float = 100.0

    def write(self, name: str, level: int, text: str) -> None:
        logger = logging.getLogger(f"{name}.test")
        logger.handle(logger.makeRecord(logger.name, level, "test.py", 1, text, (), None))

    def write_traceback(self, name: str, error: Exception) -> None:
        logging.getLogger(f"{name}.test").error(str(error), exc_info=error)

    def write_from(self, name: str, file: str, error: Exception | None) -> None:
        """A line that another file wrote."""
        logger, exc_info = logging.getLogger(name), error and (type(error), error, None)
        logger.handle(logger.makeRecord(name, logging.WARNING, file, 1, "again", (), exc_info))


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
    """Our own lines, what is only information, and the first of each traceback."""
    for _ in range(3):
        log.write("aiokafka", logging.ERROR, "an outage")
        log.write("aiokafka", logging.INFO, "information")
        log.write("streams", logging.ERROR, "ours")
        log.write_traceback("mode", ValueError("a crash"))
        log.write_traceback("mode", KeyError("another crash"))
    assert log.lines.count("ours") == 3
    assert log.lines.count("information") == 3
    assert log.lines.count("a crash") == 1
    assert log.lines.count("'another crash'") == 1


def test_a_traceback_is_written_in_each_outage(log: Log, errors: KafkaErrors) -> None:
    """It is left out only as long as the outage lasts."""
    for _ in range(2):
        log.now_s += 60
        for _ in range(3):
            log.write_traceback("aiokafka", ValueError("a crash"))
    assert [line.split(" (")[0] for line in log.lines] == ["a crash", "a crash"]
    assert errors.count == 6


@pytest.mark.parametrize(
    ("name", "file", "error"),
    [
        ("aiokafka.consumer.fetcher", "fetcher.py", None),
        ("mode.timers", "timers.py", None),
        # Faust's services log under the name of the module that subclasses them.
        ("streams.runtime.consumer.consumer", "/x/site-packages/faust/transport/consumer.py", None),
        ("streams.runtime.parts.faust_parts", "/x/dist-packages/mode/services.py", None),
        ("streams.runtime.app", "C:\\x\\site-packages\\faust\\app\\base.py", KeyError("crashed")),
        ("asyncio", "/lib/asyncio/base_events.py", KafkaConnectionError("nobody awaited it")),
    ],
)
@pytest.mark.usefixtures("errors")
def test_every_line_of_a_library_is_recognised(
    log: Log, name: str, file: str, error: Exception | None
) -> None:
    """As recorded in outages: whatever the logger's name is, only the first line of ten is written."""
    for _ in range(10):
        log.write_from(name, file, error)
    assert len(log.lines) == 1


@pytest.mark.parametrize(
    ("name", "file", "error"),
    [
        (
            "streams.runtime.broker.publisher",
            "/mode/aiokafka/streams/runtime/broker/publisher.py",
            None,
        ),
        ("streams.dispatch.app", "/x/streams/dispatch/app.py", KafkaConnectionError("ours")),
        ("asyncio", "/lib/asyncio/base_events.py", ValueError("a bug")),
    ],
)
@pytest.mark.usefixtures("errors")
def test_a_line_of_ours_is_not_taken_for_a_library_s(
    log: Log, name: str, file: str, error: Exception | None
) -> None:
    """Wherever we are installed, and whatever the error is."""
    for _ in range(10):
        log.write_from(name, file, error)
    assert len(log.lines) == 10
