"""`status`: what its argument names."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streams.cli.rendering import print_event
from streams.contract.errors import ErrorInfo
from streams.contract.status import make
from streams.operations import messages
from streams.settings import load
from tests.cli.conftest import Command

GROUP = "120363041234567890@g.us"


@pytest.mark.parametrize(
    ("words", "id", "to"),
    [
        (["order-1"], "order-1", None),
        (["60123456789"], "60123456789", None),
        (["+60 12-345 6789"], None, "+60123456789"),
        ([GROUP], None, GROUP),
        (["+60123456789/order-1"], "+60123456789/order-1", None),
        (["+60123456789", "--to", "+60123456789"], "+60123456789", "+60123456789"),
        ([], None, None),
    ],
)
def test_its_argument_is_an_id_or_a_recipient(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    id: str | None,
    to: str | None,
) -> None:
    """Only what cannot be read as a recipient, or has no `+`, is an id."""
    wanted: list[tuple[str | None, str | None]] = []

    async def read_events(_: Any, **fields: Any) -> AsyncIterator[Any]:
        wanted.append((fields["id"], fields["to"]))
        for nothing in ():
            yield nothing

    async def read_progress(*_: Any) -> None:
        return None

    monkeypatch.setattr(messages, "read_events", read_events)
    monkeypatch.setattr("streams.operations.batches.sending.read_progress", read_progress)
    settings = load({"WA_CONFIG": ""}, data_dir=tmp_path, kafka_bootstrap_servers="127.0.0.1:1")
    ran = command("status", *words, settings=settings)
    assert wanted == [(id, to)]
    assert ran.code == (1 if id else 0)


def test_a_status_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A time that is not today has its date; an error without details has the title of its code."""
    error = ErrorInfo(
        code="recipient_not_on_whatsapp",
        class_="permanent",
        title="The number is not on WhatsApp",
    )
    for fields in ({"status": "queued", "due_at_s": 4e9}, {"status": "failed", "error": error}):
        event = make(id="x", event_id_suffix="1", at_s=1e9, to="+60123456789", **fields)
        print_event(event, as_json=False)
    queued, failed = capsys.readouterr().out.splitlines()
    assert queued.startswith("2001-09-")
    assert "due 2096-10-" in queued
    assert failed.endswith("recipient_not_on_whatsapp: The number is not on WhatsApp")
