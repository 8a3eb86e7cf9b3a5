"""What a caller wrote, on a person's terminal: it takes its place in a line and does nothing else."""

import pytest

from streams.cli import output
from streams.cli.rendering import print_event
from streams.contract.errors import ErrorInfo
from streams.contract.status import StatusEvent

HOSTILE = "\x1b[2J+60\r\n\x9b1m\u202e\x00"
SHOWN = r"\x1b[2J+60\r\n\x9b1m\u202e\x00"


def test_control_characters_are_shown_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """The recipient of a rejected request is what its caller wrote, also an escape sequence."""
    error = ErrorInfo(code="invalid_phone", class_="invalid", title="t", detail=HOSTILE)
    event = StatusEvent(
        event_id="-/a/rejected/1",
        id="a",
        status="rejected",
        at="2026-11-24T09:00:00.000Z",
        to=HOSTILE,
        error=error,
    )
    print_event(event, as_json=False)
    printed = capsys.readouterr().out
    assert printed.count(SHOWN) == 2
    assert printed.rstrip("\n").isprintable()


def test_cells_are_printable() -> None:
    """So are the cells of tables; letters of any script stay as they are."""
    assert output.format_cell(HOSTILE) == SHOWN
    assert output.format_cell(["a\nb", "ü👋"]) == r"a\nb, ü👋"
