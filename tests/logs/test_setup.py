"""Logging as a worker sets it up, seen from outside: what a process writes to stderr."""

import json
import subprocess
import sys

import pytest

from streams.logs import read_message

PHONE = "+60123456789"
PROGRAM = """
import logging, sys, threading
from streams.logs.setup import set_up_logging
from streams.settings import load
set_up_logging(load())
log = logging.getLogger("streams.test")
"""


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program whose logging is set up from these variables."""
    environment = {"PYTHONPATH": ":".join(sys.path), "WA_CONFIG": "", **variables}
    command = [sys.executable, "-c", PROGRAM + code]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_text_is_time_level_logger_and_message() -> None:
    """People and the supervisor read lines of this form."""
    line = run("log.critical('%s (exit %d, %s)', 'it was recreated', 79, 'TOPIC_RECREATED')").stderr
    time, _, rest = line.rstrip("\n").partition(" CRITICAL ")
    assert rest == "streams.test: it was recreated (exit 79, TOPIC_RECREATED)"
    assert len(time) == len("2026-11-26 01:02:03,456")
    assert read_message(line.strip()) == "it was recreated (exit 79, TOPIC_RECREATED)"


def test_json_is_one_object_per_line() -> None:
    """A traceback is a field; the supervisor finds the message."""
    code = "try: 1/0\nexcept ZeroDivisionError: log.exception('it failed (exit %d, X)', 80)"
    (line,) = run(code, WA_LOG_FORMAT="json").stderr.splitlines()
    document = json.loads(line)
    assert document["timestamp"].endswith("+00:00")
    assert (document["level"], document["logger"]) == ("error", "streams.test")
    assert document["event"] == "it failed (exit 80, X)"
    assert "ZeroDivisionError" in document["exception"]
    assert read_message(line) == "it failed (exit 80, X)"


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    "code",
    [
        f"log.error('sent to {PHONE}')",
        f"log.error('%d records', '{PHONE}')",
        f"raise ValueError('{PHONE}')",
        f"def fail(): raise ValueError('{PHONE}')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()",
        f"logging.getLogger('faust').error({{b'{PHONE}': '{PHONE}'}})",
    ],
    ids=["message", "wrong arguments", "uncaught", "uncaught in a thread", "another library"],
)
def test_no_way_to_stderr_shows_a_number(code: str, log_format: str) -> None:
    """Not even a record that cannot be formatted, or an exception that nothing catches."""
    written = run(code, WA_LOG_FORMAT=log_format).stderr
    assert written
    assert PHONE[1:] not in written


def test_pii_is_shown_on_request() -> None:
    """Some faults cannot be found without it."""
    assert PHONE in run(f"log.error('sent to {PHONE}')", WA_LOG_PII="true").stderr


@pytest.mark.parametrize(
    ("variables", "is_verbose"),
    [
        ({"WA_LOG_LEVEL": "debug"}, False),
        ({"WA_LOG_PII": "true"}, False),
        ({"WA_LOG_LEVEL": "debug", "WA_LOG_PII": "true"}, True),
    ],
)
def test_libraries_are_verbose_only_on_request(variables: dict[str, str], is_verbose: bool) -> None:
    """At level debug they log keys and values of records."""
    written = run("logging.getLogger('aiokafka.x').debug('detail')", **variables).stderr
    assert ("detail" in written) == is_verbose


@pytest.mark.parametrize("line", ["", "plain text", "{not JSON", "{}", "[1]"])
def test_a_line_that_is_not_a_log_record_is_its_own_message(line: str) -> None:
    """Programs write other lines too."""
    assert read_message(line) == line
