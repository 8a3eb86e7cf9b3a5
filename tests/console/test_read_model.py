"""The read model on a real broker: it holds what the topics say, and no more than it should."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from streams.console.model import letters, measurements, queries
from streams.console.model.read_model import ReadModel
from streams.console.model.requests import find_contents
from streams.domain import forgetting
from streams.domain.alerts import sample as samples
from streams.domain.alerts.sample import Sample
from streams.domain.forgetting import ForgetReport
from streams.kafka.connection import admin_client
from streams.kafka.topics import names
from tests.console.models import follow, has_everything, read_status
from tests.console.world import ERROR, OTHER_PHONE, PHONE, Topics, make_letter
from tests.kafka.reading.test_record_batches import Bytes, python_batch
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker

DAY_S = 86_400.0


async def test_it_holds_what_the_topics_say(topics: Topics, tmp_path: Path) -> None:
    """A message has its last status, its events in order, and what waits is counted by its reason."""
    async with follow(topics, tmp_path / "model") as model:
        assert await has_everything(model)
        events = await model.read(lambda c: queries.list_events(c, PHONE, "sent-1"))
        assert [event["status"] for event in events] == ["accepted", "sent", "delivered"]
        assert await model.read(queries.count_waiting) == {"rate_limited": 1}
        page = await model.read(lambda c: queries.list_waiting_recipients(c, 10, 0))
        assert [(row["recipient"], row["waiting"]) for row in page.rows] == [(PHONE, 1)]
        found = await model.read(lambda c: queries.search(c, "3EB0C7", "3EB0C7", 10))
        assert [row["id"] for row in found] == ["sent-1"]
        conversation = await model.read(lambda c: queries.list_conversation(c, PHONE, 10))
        assert [row.get("body") or row["id"] for row in conversation] == [
            "a received text", "waits-1", "sent-1",
        ]  # fmt: skip
        page = await model.read(lambda c: letters.list_dead_letters(c, {"batch_id": "b-1"}, 10, 0))
        assert [(row["request_id"], row["recipient"]) for row in page.rows] == [
            ("b-1/0", OTHER_PHONE)
        ]
        batch = await model.read(lambda c: queries.find_batch(c, "b-1"))
        assert batch is not None
        assert (batch["total"], batch["failed"]) == (1, 1)


async def test_a_repeat_changes_nothing(topics: Topics, tmp_path: Path) -> None:
    """Events come at least once: an old one that comes again is not the last status, and counts once."""
    async with follow(topics, tmp_path / "model") as model:
        await topics.put_event(
            "sent-1", "sent", 49.0, account="main", whatsapp_id="3EB0C7", attempt=1
        )
        await topics.put_event("end", "accepted", 1.0)
        await wait_until(lambda: read_status(model, "end"))
        assert await read_status(model, "sent-1") == "delivered"
        minutes = await model.read(lambda c: queries.count_by_minute(c, 0))
        assert sum(counts.get("sent", 0) for counts in minutes.values()) == 1


async def test_a_message_moves_to_the_number_of_its_chat(topics: Topics, tmp_path: Path) -> None:
    """It is one message with all its events, and waits nowhere else."""
    async with follow(topics, tmp_path / "model") as model:
        await topics.put_event("moved", "accepted", 9.0, to="+5521987654321")
        await topics.put_event(
            "moved", "sent", 8.0, to="+552187654321", requested_to="+5521987654321"
        )
        await wait_until(lambda: read_status(model, "moved", "+552187654321"))
        # The two numbers are in two partitions, whose order is not that of the log.
        await wait_until(lambda: _is_moved(model))


async def test_the_text_of_the_first_request_counts(topics: Topics, tmp_path: Path) -> None:
    """A later one with the same id sends nothing, under whichever number it comes."""
    numbers = ("+5521987654321", "+552187654321")
    for number, text in ((numbers[0], "first"), (numbers[0], "second"), (numbers[1], "third")):
        request = {"id": "one", "to": number, "text": text}
        await topics.put("outbound", b"k", orjson.dumps(request))

    async def read_texts(model: ReadModel) -> list[str | None]:
        found = [
            await model.read(partial(find_contents, recipient=number, ids=["one"]))
            for number in numbers
        ]
        return [contents["one"]["body"] if contents else None for contents in found]

    async with follow(topics, tmp_path / "model") as model:
        assert await read_texts(model) == ["first", "third"]
        await topics.put_event("one", "sent", 8.0, to=numbers[1], requested_to=numbers[0])
        await wait_until(lambda: read_status(model, "one", numbers[1]))
        assert await read_texts(model) == [None, "first"]
        request = {"id": "one", "to": numbers[0], "text": "fourth"}
        await topics.put("outbound", b"k", orjson.dumps(request))
        await wait_until(lambda: _has_content(model, numbers[0], "one"))
        await topics.put_event("one", "delivered", 7.0, to=numbers[1], requested_to=numbers[0])
        await wait_until(lambda: _has_status(model, numbers[1], "delivered"))
        assert await read_texts(model) == [None, "first"]


async def _has_content(model: ReadModel, to: str, id: str) -> bool:
    return bool(await model.read(partial(find_contents, recipient=to, ids=[id])))


async def _has_status(model: ReadModel, to: str, status: str) -> bool:
    return await read_status(model, "one", to) == status


async def _is_moved(model: ReadModel) -> bool:
    return await read_status(model, "moved", "+5521987654321") is None


async def test_it_goes_on_where_it_ended(topics: Topics, tmp_path: Path) -> None:
    """After a restart it reads only what is new: the positions are in the transaction of the rows."""
    async with follow(topics, tmp_path / "model"):
        pass
    with closing(sqlite3.connect(tmp_path / "model")) as connection, connection:
        connection.execute("DELETE FROM messages WHERE id = 'sent-1'")
    await topics.put_event("new", "accepted", 1.0)
    async with follow(topics, tmp_path / "model") as model:
        assert await read_status(model, "new") == "accepted"
        assert await read_status(model, "sent-1") is None  # what was applied is not applied again
        assert model.rebuilds == 0


async def test_records_of_other_programs_are_skipped(topics: Topics, tmp_path: Path) -> None:
    """What cannot be read stops nothing."""
    for value in (b"", b"\xff", b"[]", b'{"event_id": 1}', None):
        for topic in ("status", "inbound", "batches", "dlq", "forget"):
            await topics.put(topic, b"\xff", value)
    await topics.put_event("after", "accepted", 1.0)
    async with follow(topics, tmp_path / "model") as model:
        assert await read_status(model, "after") == "accepted"
        assert model.rebuilds == 0


@pytest.mark.parametrize("topic", ["outbound", "status"])
async def test_a_header_name_that_is_not_text_stops_nothing(
    topics: Topics, tmp_path: Path, topic: str
) -> None:
    """Any caller can write one; the console would end at every start, for as long as the topic has it."""
    batch = python_batch(topics.producer.create_batch())
    batch.append(key=b"k", value=b"{}", timestamp=None, headers=[(Bytes.of(b"\xff"), b"1")])
    name = getattr(names(topics.settings), topic)
    await (await topics.producer.send_batch(batch, name, partition=0))
    await topics.put_event("after", "accepted", 1.0)
    async with follow(topics, tmp_path / "model") as model:
        assert await read_status(model, "after") == "accepted"
        assert model.rebuilds == 0


async def test_what_is_old_goes_and_what_waits_stays(topics: Topics, tmp_path: Path) -> None:
    """Final messages go by age and by number, with their events; a message that waits stays, whatever its age."""
    await topics.put_event("old-final", "failed", 9 * DAY_S, error=ERROR)
    await topics.put_event("old-waits", "accepted", 9 * DAY_S)
    await topics.put_event("last", "sent", 1.0)
    settings = replace(topics.settings, console_max_messages=4)
    async with follow(topics, tmp_path / "model", settings=settings, prune_interval_s=0.2) as model:
        await wait_until(lambda: _is_gone(model, "old-final"))
        await wait_until(lambda: _is_gone(model, "sent-1"))  # more than four messages
        assert await read_status(model, "old-waits") == "accepted"
        assert await read_status(model, "last") == "sent"
        assert await model.read(lambda c: queries.list_events(c, PHONE, "old-final")) == []
        assert len(await model.read(lambda c: queries.list_events(c, PHONE, "waits-1"))) == 2


async def _is_gone(model: ReadModel, id: str) -> bool:
    return await read_status(model, id) is None


async def test_purged_dead_letters_go(topics: Topics, tmp_path: Path) -> None:
    """What the topic no longer has is not shown."""
    from aiokafka import TopicPartition
    from aiokafka.admin import RecordsToDelete

    async with follow(topics, tmp_path / "model", prune_interval_s=0.2) as model:
        assert await model.read(queries.count_dead_letters) == 1
        async with admin_client(topics.settings) as client:
            dlq = names(topics.settings).dlq
            await client.delete_records(
                {
                    TopicPartition(dlq, n): RecordsToDelete(-1)
                    for n in range(topics.settings.partitions)
                }
            )
        await wait_until(lambda: _has_no_letters(model))


async def _has_no_letters(model: ReadModel) -> bool:
    return await model.read(queries.count_dead_letters) == 0


async def test_a_forgotten_recipient_is_removed(topics: Topics, tmp_path: Path) -> None:
    """Everything of this number that is older than the report, and nothing of others."""
    await topics.put_letter(make_letter("for-phone", topics.now_s, {"to": PHONE}))
    report = ForgetReport(request_id="f-1", state="done")
    key = forgetting.report_key("f-1", PHONE)
    async with follow(topics, tmp_path / "model", prune_interval_s=0.2) as model:
        assert await read_status(model, "sent-1") == "delivered"
        await topics.put("forget", key, forgetting.encode(report))
        await wait_until(lambda: _is_gone(model, "sent-1"))
        assert await model.read(lambda c: queries.list_conversation(c, PHONE, 10)) == []
        assert await read_status(model, "b-1/0", OTHER_PHONE) == "failed"
        page = await model.read(lambda c: letters.list_dead_letters(c, {}, 10, 0))
        assert [row["request_id"] for row in page.rows] == ["b-1/0"]


async def test_an_alert_is_listed_while_it_is_raised(topics: Topics, tmp_path: Path) -> None:
    """A repeat of an earlier record changes nothing; alerts of other accounts are other alerts."""
    await topics.put_alert("raised", ago_s=50)
    await topics.put_alert("cleared", ago_s=40)
    await topics.put_alert("raised", ago_s=50)
    await topics.put_alert("raised", ago_s=30, labels={"account": "sales-1"}, severity="warning")
    await topics.put_alert("raised", ago_s=20, alert="queue_old")
    async with follow(topics, tmp_path / "model") as model:
        listed = await model.read(queries.list_alerts)
        assert [(a["alert"], a["labels"]["account"]) for a in listed] == [
            ("queue_old", "main"),
            ("account_silent", "sales-1"),
        ]


async def test_a_failed_replay_stands_for_both(topics: Topics, tmp_path: Path) -> None:
    """The earlier dead letter is not listed any more, and says which one replaced it."""
    first = make_letter("again", topics.now_s - 5, {"to": PHONE})
    replayed = make_letter(
        "again", topics.now_s, {"to": PHONE}, id="wa.outbound:0:1", replay_count=1
    )
    headers = (("wa-replay-of", first.info.id.encode()),)
    await topics.put_letter(first)
    await topics.put_letter(type(replayed)(info=replayed.info, value=b"{}", headers=headers))
    async with follow(topics, tmp_path / "model") as model:
        page = await model.read(lambda c: letters.list_dead_letters(c, {"to": PHONE}, 10, 0))
        assert page.rows == []  # the record of the replay cannot be read, so it has no recipient
        assert await model.read(queries.count_dead_letters) == 2
        letter = await model.read(lambda c: letters.find_dead_letter(c, first.info.id))
        assert letter is not None
        assert letter["replaced_by"] == "wa.outbound:0:1"


async def test_a_dispatcher_that_evaluates_the_alerts_is_known_by_its_samples(
    topics: Topics, tmp_path: Path
) -> None:
    """By the time of the last one; other workers only send samples."""
    async with follow(topics, tmp_path / "model") as model:
        assert await model.read(measurements.read_evaluated_s) == 0.0
        for worker, is_evaluator in (("dispatch-1", True), ("sender-main", False)):
            sample = Sample(worker=worker, is_evaluator=is_evaluator)
            await topics.put("samples", worker.encode(), samples.encode(sample))

        async def read_time() -> float:
            return await model.read(measurements.read_evaluated_s)

        await wait_until(read_time)
        assert await read_time() == pytest.approx(topics.now_s, abs=600)


async def test_a_dead_letter_says_what_became_of_it(topics: Topics, tmp_path: Path) -> None:
    """An acceptance after the failure is a replay, and the last status says how that goes."""

    async def has_become(model: ReadModel, expected: str) -> bool:
        page = await model.read(lambda c: letters.list_dead_letters(c, {"batch_id": "b-1"}, 10, 0))
        return [row["afterwards"] for row in page.rows] == [expected]

    async with follow(topics, tmp_path / "model") as model:
        await wait_until(lambda: has_become(model, "not replayed"))
        await topics.put_event("b-1/0", "accepted", 5.0, to=OTHER_PHONE, suffix="2")
        await wait_until(lambda: has_become(model, "replayed, waiting"))
        await topics.put_event("b-1/0", "sent", 4.0, to=OTHER_PHONE, suffix="2")
        await wait_until(lambda: has_become(model, "replayed, sent"))
