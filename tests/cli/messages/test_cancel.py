"""`cancel`: what it prints, and its exit code. The wait itself is tested with a dispatcher (tests/dispatch/batches)."""

import io
from pathlib import Path
from typing import Any

import pytest

from streams.contract.errors import ErrorInfo
from streams.operations import messages
from streams.operations.messages import CancelResult
from streams.settings import Settings, load
from tests.cli.conftest import Command

REFUSED = ErrorInfo(
    code="unknown_request",
    class_="invalid",
    title="There is no such message",
    detail="there is no such batch",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A Kafka that is not used."""
    return load({"WA_CONFIG": ""}, data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")


def answer(monkeypatch: pytest.MonkeyPatch, result: CancelResult) -> list[dict[str, Any]]:
    """The service gives this answer; returns the options of each call."""
    calls: list[dict[str, Any]] = []

    async def cancel(*_: object, **options: Any) -> CancelResult:
        calls.append(options)
        return result

    monkeypatch.setattr(messages, "cancel", cancel)
    return calls


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (CancelResult("c", error=REFUSED), "unknown_request: there is no such batch"),
        (CancelResult("c", unknown=1), "1 may have been sent before"),
        (CancelResult("c"), "within 15 s"),
    ],
)
def test_a_cancel_that_cancels_nothing_ends_with_1(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    result: CancelResult,
    expected: str,
) -> None:
    """A typo in the name of a batch would look like success."""
    answer(monkeypatch, result)
    ran = command("cancel", "--batch", "typo", "--yes", settings=settings)
    assert (ran.code, ran.out, expected in ran.error_line) == (1, "", True)


def test_the_number_of_cancelled_messages_is_printed(
    command: Command, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """For people, and for programs."""
    answer(monkeypatch, CancelResult("c", cancelled=2, unknown=1))
    ran = command("cancel", "--batch", "b", "--yes", settings=settings)
    assert (ran.code, ran.out) == (0, "c: cancelled 2, 1 may have been sent before (unknown)\n")
    ran = command("cancel", "--batch", "b", "--yes", "--json", settings=settings)
    assert ran.objects == [{"request_id": "c", "cancelled": 2, "unknown": 1, "error": None}]


def test_without_waiting_it_prints_the_id(
    command: Command, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Nothing is known of what became of it, so it is not a failure."""
    calls = answer(monkeypatch, CancelResult("c"))
    ran = command("cancel", "--batch", "b", "--yes", "--no-wait", settings=settings)
    assert (ran.code, ran.out) == (0, "c: written to Kafka\n")
    assert calls[0]["timeout_s"] is None


def test_without_an_answer_it_names_the_option(
    command: Command, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """In a script nobody can answer the question."""
    calls = answer(monkeypatch, CancelResult("c"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    ran = command("cancel", "--batch", "b", settings=settings)
    assert (ran.code, "--yes" in ran.err, calls) == (1, True, [])


def test_what_is_wrong_is_wrong_without_a_broker(command: Command, settings: Settings) -> None:
    """A typo is not hidden by a broker that is down."""
    ran = command("cancel", "+60123456789", "x" * 1000, settings=settings)
    assert (ran.code, ran.error_line.startswith("wa-streams: id: ")) == (2, True), ran.error_line
