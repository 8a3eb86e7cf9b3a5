"""`batch`: what a dry run shows, what is refused, what is written to Kafka, and how its progress is shown."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from streams.contract.batch import BatchProgress, encode
from streams.kafka import admin
from streams.kafka.connection import producer_options
from streams.kafka.topics import names
from streams.settings import Settings
from tests.cli.conftest import Command
from tests.cli.test_dead_letters import outbound

pytestmark = pytest.mark.broker


def write(rows: int, *more: str) -> str:
    """A file with so many valid rows."""
    lines = ["to,text,id", *(f"+6012{n:07},Hello {n}," for n in range(rows)), *more]
    Path("spring.csv").write_text("\n".join(lines))
    return "spring.csv"


@pytest.fixture
def ready(settings: Settings) -> Settings:
    asyncio.run(admin.create_topics(settings))
    return settings


def put_progress(settings: Settings, *records: BatchProgress) -> None:
    async def produce() -> None:
        async with AIOKafkaProducer(**producer_options(settings)) as producer:
            for record in records:
                key = record.batch_id.encode()
                await producer.send_and_wait(names(settings).batches, b"{", key=key)
                await producer.send_and_wait(names(settings).batches, encode(record), key=key)

    asyncio.run(produce())


def make_progress(batch_id: str, total: int, **counts: Any) -> BatchProgress:
    started_at = "2026-11-27T10:00:00.000Z"
    return BatchProgress(batch_id=batch_id, total=total, started_at=started_at, **counts)


def test_a_dry_run_shows_and_sends_nothing(ready: Settings, command: Command) -> None:
    """The first messages and every row that is not valid."""
    file = write(5, "12,x,", ",x,")
    result = command("batch", file, "--dry-run", "--priority", "bulk", settings=ready)
    assert result.code == 0
    assert [found["text"] for found in result.objects] == ["Hello 0", "Hello 1", "Hello 2"]
    assert all(found["priority"] == "bulk" for found in result.objects)
    assert "line 7: to: " in result.out
    assert "line 8: to: " in result.out
    assert "5 messages would be sent, 2 rows are not valid" in result.err
    assert outbound(ready) == []


def test_rows_that_are_not_valid_send_nothing(ready: Settings, command: Command) -> None:
    """Unless the person has said so."""
    file = write(2, "12,x,")
    result = command("batch", file, settings=ready)
    assert result.code == 2
    assert "1 rows are not valid, so nothing was sent; line 4: to: " in result.error_line
    assert outbound(ready) == []
    skipped = command("batch", file, "--skip-invalid", "--no-wait", settings=ready)
    assert skipped.code == 0
    assert "2 messages written to Kafka, 1 rows skipped" in skipped.err


def test_a_large_file_is_several_records(ready: Settings, command: Command) -> None:
    """Each has its place in the batch; the same file gives the same records."""
    file = write(2100)
    for _ in range(2):
        result = command("batch", file, "--no-wait", "--json", settings=ready)
        assert result.code == 0
    bodies = [orjson.loads(record.value) for record in outbound(ready)]
    assert [(body["first"], len(body["messages"]), body["total"]) for body in bodies] == [
        (0, 1000, 2100),
        (1000, 1000, 2100),
        (2000, 100, 2100),
    ] * 2
    assert bodies[:3] == bodies[3:]
    assert {body["batch_id"] for body in bodies} == {result.objects[-1]["batch_id"]}
    assert len({message["id"] for body in bodies[:3] for message in body["messages"]}) == 2100


def test_a_finished_batch_is_not_sent_again(ready: Settings, command: Command) -> None:
    """The service forgets ids after a time: the batch's own progress tells."""
    file = write(2)
    first = command("batch", file, "--no-wait", "--json", settings=ready)
    batch_id = first.objects[-1]["batch_id"]
    done = make_progress(
        batch_id, 2, accepted=2, sent=2, delivered=1, finished_at="2026-11-27T10:00:09.000Z"
    )
    put_progress(ready, make_progress("other", 7), make_progress(batch_id, 2, accepted=1), done)
    again = command("batch", file, settings=ready)
    assert again.code == 0
    assert "nothing is sent again" in again.err
    assert "2 messages, accepted 2, sent 2, delivered 1; finished at" in again.out
    assert len(outbound(ready)) == 1
    shown = command("status", batch_id, settings=ready)
    assert shown.out == again.out
    followed = command("status", "--follow", batch_id, "--json", settings=ready)
    assert [found["accepted"] for found in followed.objects] == [1, 2]
    assert command("batch", file, "--campaign", "May", "--no-wait", settings=ready).code == 0
    assert len(outbound(ready)) == 2


def test_templates_are_shown_as_they_would_be_sent(ready: Settings, command: Command) -> None:
    """A missing parameter is a row that is not valid."""
    content = {"type": "text", "body": "Hello {{ Name }}"}
    template = {"name": "hello", "language": "en", "content": content, "category": "marketing"}
    Path("template.json").write_bytes(orjson.dumps(template))
    assert command("templates", "put", "template.json", settings=ready).code == 0
    Path("a.csv").write_text("to,Name\n+60123456789,Ada\n+60123456780,\n")
    shown = command("batch", "a.csv", "--template", "hello", "--dry-run", settings=ready)
    assert shown.objects[0]["content"] == {"type": "text", "body": "Hello Ada"}
    assert shown.objects[0]["category"] == "marketing"
    assert "line 3: content.params.Name: is missing" in shown.out
    unknown = command("batch", "a.csv", "--template", "helo", "--dry-run", settings=ready)
    assert "there is no template helo; did you mean hello?" in unknown.out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--column", "to"], "write FIELD=HEADER"),
        (["--column", "too=Phone"], "'too' is no field of a request"),
        (["--column", "to=Phone"], "has no column Phone"),
        (["--language", "en"], "--language needs --template"),
    ],
)
def test_wrong_usage(command: Command, words: list[str], problem: str) -> None:
    """One line says what is wrong."""
    result = command("batch", write(1), *words)
    assert result.code == 2
    assert problem in result.error_line
