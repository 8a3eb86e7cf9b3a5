"""Events reach a real receiver from a real broker: in order, signed, and at least once."""

import os
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import ClientSession, web

from streams.kafka import admin
from streams.kafka.connection import admin_client
from streams.kafka.topics import names, webhooks_group
from streams.webhooks.positions import open_group_positions
from streams.webhooks.store import get_path
from streams.webhooks.upkeep import get_damaged_path
from tests.console.world import OTHER_PHONE, PHONE, make_event
from tests.support.waiting import wait_until
from tests.webhooks.receiver import World

pytestmark = pytest.mark.broker


async def _has_committed(world: World) -> bool:
    """Whether Kafka has the positions of the endpoint a, behind at least one record."""
    topics = [names(world.settings).status, names(world.settings).inbound]
    group = webhooks_group(world.settings, "a")
    async with open_group_positions(world.settings, group, topics) as positions:
        offsets = await positions.load()
    return len(offsets) == 2 * world.settings.partitions and sum(offsets.values()) >= 1


async def test_events_are_delivered_in_order_and_signed(world: World) -> None:
    """Status events and received messages, each with its type, its time and its own id; nothing from before."""
    await world.topics.put_event("before", "accepted")
    world.with_endpoints(a={}, b={"topics": ["inbound"]}, c={"types": ["wa.message.sent"]})
    async with world.deliver():
        await wait_until(world.is_reading)
        for kind in ("accepted", "sent", "delivered"):
            await world.topics.put_event("one", kind)
        await world.topics.put_inbound("hello")
        receiver = world.receiver
        await wait_until(lambda: len(receiver.events.get("/a", [])) == 4)
        await wait_until(lambda: receiver.events.get("/b") and receiver.events.get("/c"))
    events = receiver.events["/a"]
    statuses = [event for event in events if event["data"].get("id") == "one"]
    assert [event["type"] for event in statuses] == [
        "wa.message.accepted",
        "wa.message.sent",
        "wa.message.delivered",
    ]
    assert {event["data"].get("id") for event in events} == {"one", None}
    assert len({event["webhook_id"] for event in events}) == 4
    assert all(PHONE not in event["webhook_id"] for event in events)
    assert [event["type"] for event in receiver.events["/b"]] == ["wa.message.received"]
    assert receiver.events["/b"][0]["data"]["body"] == "hello"
    assert [event["type"] for event in receiver.events["/c"]] == ["wa.message.sent"]


async def test_a_restart_goes_on_and_a_lost_file_loses_no_event(world: World) -> None:
    """What came while nothing ran is delivered; without the file, Kafka's position repeats and never skips."""
    receiver = world.receiver
    async with world.deliver():
        await wait_until(world.is_reading)
        await world.topics.put_event("first", "sent")
        await wait_until(lambda: receiver.ids() == ["first"])
        await wait_until(lambda: _has_committed(world))
        receiver.answers["/a"] = 503
        await world.topics.put_event("second", "sent")
        await wait_until(lambda: "second" in receiver.tried())
    receiver.answers["/a"] = 200
    await world.topics.put_event("third", "sent")
    for path in get_path(world.settings.data_dir).parent.glob("*.sqlite3*"):
        path.unlink()
    async with world.deliver():
        await wait_until(lambda: "third" in receiver.ids())
        # What the receiver has taken and the file does not know yet would be repeated.
        await wait_until(lambda: world.report().waiting == 0)
    ids = receiver.ids()
    assert ids == ["first", "second", "third"]
    await world.topics.put_event("fourth", "sent")
    async with world.deliver():
        await wait_until(lambda: "fourth" in receiver.ids())
    assert receiver.ids().count("third") == 1


async def test_every_hour_positions_are_committed_and_old_files_removed(world: World) -> None:
    """A group that commits nothing is forgotten by the broker, so the same positions are committed again."""
    receiver = world.receiver
    async with world.deliver():
        await wait_until(world.is_reading)
        await world.topics.put_event("first", "sent")
        await wait_until(lambda: _has_committed(world))
        assert receiver.ids() == ["first"]
        topics = [names(world.settings).status, names(world.settings).inbound]
        group = webhooks_group(world.settings, "a")
        async with open_group_positions(world.settings, group, topics) as positions:
            await positions.commit(dict.fromkeys(await positions.load(), 0))
        aside = get_damaged_path(get_path(world.settings.data_dir))
        aside.touch()
        os.utime(aside, (1.0, 1.0))
        world.offset_s += 3601
        await wait_until(lambda: _has_committed(world))
        await wait_until(lambda: not aside.exists())


async def test_records_that_are_not_events_are_skipped(world: World) -> None:
    """Also one that is wrong only where nobody looks: in a field that we do not know."""
    key, value = make_event("bad", "sent", world.topics.now_s)
    deep = b"[" * 100_000 + b"]" * 100_000
    async with world.deliver() as webhooks:
        await wait_until(world.is_reading)
        for bad in (b"{", b'"\xff"', deep):
            await world.topics.put("status", key, value[:-1] + b',"x":' + bad + b"}")
        await world.topics.put_event("good", "sent")
        await wait_until(lambda: world.receiver.ids() == ["good"])
        async with ClientSession() as http, http.get(f"{webhooks.server.url}/metrics") as response:
            skipped = 'wa_webhook_records_skipped_total{endpoint="a"} 3.0'
            assert skipped in await response.text()


async def test_a_damaged_file_is_set_aside(world: World) -> None:
    """The events come from Kafka again, with the same ids."""
    receiver = world.receiver
    async with world.deliver():
        await wait_until(world.is_reading)
        await world.topics.put_event("one", "sent")
        await wait_until(lambda: receiver.ids() == ["one"])
    path = get_path(world.settings.data_dir)
    for extra in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + extra).unlink()
    path.write_bytes(b"this is not a database" * 1000)
    await world.topics.put_event("two", "sent")
    async with world.deliver():
        await wait_until(lambda: "two" in receiver.ids())
    assert path.with_suffix(".damaged").exists()
    assert len({event["webhook_id"] for event in receiver.events["/a"]}) == 2


async def test_a_topic_that_was_recreated_is_read_from_its_beginning(world: World) -> None:
    """Old positions mean nothing there, neither ours nor those of the group."""
    receiver = world.receiver
    async with world.deliver():
        await wait_until(world.is_reading)
        await world.topics.put_event("old", "sent")
        await wait_until(lambda: receiver.ids() == ["old"])
        await wait_until(lambda: _has_committed(world))
    topic = names(world.settings).status
    async with admin_client(world.settings) as client:
        await client.delete_topics([topic])

        async def is_gone() -> bool:
            return topic not in await client.list_topics()

        await wait_until(is_gone)
    await admin.create_topics(world.settings)
    for id in ("new-1", "new-2"):
        await world.topics.put_event(id, "sent")
    async with world.deliver():
        await wait_until(lambda: receiver.ids() == ["old", "new-1", "new-2"])


async def test_one_recipient_that_fails_holds_up_no_other(world: World) -> None:
    """Its later events wait behind the failed one, and all of them arrive in order."""
    receiver = world.receiver
    is_refusing = True

    async def refuse_one(request: web.Request, event: dict[str, Any]) -> web.StreamResponse:
        if is_refusing and event["data"]["to"] == PHONE:
            return web.Response(status=500)
        receiver.events.setdefault(request.path, []).append(event)
        return web.Response(status=200)

    receiver.answers["/a"] = refuse_one
    async with world.deliver():
        await wait_until(world.is_reading)
        for id in ("p-1", "p-2"):
            await world.topics.put_event(id, "sent")
        for id in ("q-1", "q-2"):
            await world.topics.put_event(id, "sent", to=OTHER_PHONE)
        await wait_until(lambda: receiver.ids() == ["q-1", "q-2"] and "p-1" in receiver.tried())
        assert "p-2" not in receiver.tried()
        is_refusing = False
        world.offset_s += 60
        await wait_until(lambda: receiver.ids() == ["q-1", "q-2", "p-1", "p-2"])
