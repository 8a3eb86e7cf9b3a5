"""What the sender makes of messages to its account: a fake driver, a table in memory, no Kafka."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.contract.inbound import InboundMessage
from streams.domain.phone.events import InboundSeen
from streams.sender.claim_store import ClaimStore
from streams.sender.inbound.downloads import MediaDownloader
from streams.sender.inbound.follower import InboundFollower
from streams.sender.inbound.media_store import MediaStore
from streams.sender.inbound.position_store import PositionStore
from streams.system.tasks import cancel_tasks
from streams.testing.fake_driver import FakeDriver
from streams.testing.memory_table import Disk, InMemoryTable
from streams.whatsapp.incoming import IncomingHint, IncomingMedia, IncomingMessage, MediaFailed
from tests.sender.fast import run_until_idle, until
from tests.support.incoming import WRITER, make_incoming


class Follower:
    """A follower of one account. What is durable survives `kill`."""

    def __init__(self, media_dir: Path) -> None:
        self.driver = FakeDriver()
        self.disk = Disk()
        self.media_dir = media_dir
        self.topic: list[InboundMessage] = []
        self.events: list[InboundSeen] = []
        self.is_page_ready = True
        self.may_publish = asyncio.Event()
        self.may_publish.set()
        self.now_s = time.time()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """A process begins."""
        table = InMemoryTable(self.disk, lambda: self.now_s)
        claims = ClaimStore(
            table,
            idempotency_window_s=60.0,
            now_s=lambda: self.now_s,
            read_send_end=self._read_send_end,
        )
        await claims.open()
        downloader = MediaDownloader(
            "main", MediaStore(self.media_dir), self._get_page, max_bytes=100, retry_delay_s=0.0
        )
        self.follower = InboundFollower(
            "main",
            positions=PositionStore(claims),
            downloader=downloader,
            get_page=self._get_page,
            publish_messages=self._publish,
            publish_events=self._publish_events,
            on_published=lambda message: None,
            now_s=lambda: self.now_s,
        )
        self.task = asyncio.create_task(self.follower.run())
        self.follower.notify_ready()

    async def kill(self) -> None:
        """The process ends at once."""
        assert self.task is not None
        await cancel_tasks(self.task)

    def _get_page(self) -> FakeDriver | None:
        return self.driver if self.is_page_ready else None

    async def _read_send_end(self) -> int:
        return 0

    async def _publish(self, messages: Sequence[InboundMessage]) -> None:
        await self.may_publish.wait()
        self.topic += messages

    async def _publish_events(self, events: Sequence[InboundSeen]) -> None:
        self.events += events

    def receive(self, whatsapp_id: str, **fields: Any) -> IncomingMessage:
        """A message arrives, and the page reports it."""
        message = make_incoming(whatsapp_id, at_s=self.now_s, **fields)
        self.driver.store_message(message)
        self.follower.notify(IncomingHint())
        return message

    def change(self, change_id: str, type_: str, target: str) -> None:
        """A message is changed, and the page reports it."""
        content = (
            {"message_id": target, "body": "new"} if type_ == "edit" else {"message_id": target}
        )
        self.driver.changes.append(
            make_incoming(change_id, type=type_, content=content, at_s=self.now_s)
        )
        self.follower.notify(IncomingHint(is_change=True))

    @property
    def ids(self) -> list[str]:
        """What is on the topic."""
        return [message.whatsapp_id for message in self.topic]

    async def wait_for(self, count: int) -> None:
        """Wait for this many records, and for nothing more."""
        await until(lambda: len(self.topic) >= count)
        await run_until_idle()
        assert len(self.topic) == count


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Follower]:
    """A follower that runs."""
    follower = Follower(tmp_path / "media")
    await follower.start()
    yield follower
    with contextlib.suppress(asyncio.CancelledError):
        await follower.kill()


async def test_a_message_becomes_a_record_and_an_event(world: Follower) -> None:
    """The record names the writer, the chat and the message; the event of the writer's row follows."""
    world.receive("3A01", content={"body": "STOP", "reply_to": "3EB0"}, name="Ann")
    await world.wait_for(1)
    [message] = world.topic
    assert (message.event_id, message.from_, message.chat_id) == (
        "main/3A01",
        WRITER,
        "60120000009@c.us",
    )
    assert (message.type, message.body, message.reply_to, message.name) == (
        "text",
        "STOP",
        "3EB0",
        "Ann",
    )
    [event] = world.events
    assert (event.phone, event.account, event.whatsapp_id, event.text) == (
        WRITER,
        "main",
        "3A01",
        "STOP",
    )


async def test_what_is_no_event_of_a_person(world: Follower) -> None:
    """Groups, hidden numbers, calls and reactions; of a long text, only that it was written."""
    world.receive("3A01", chat="1-2@g.us")
    world.receive("3A02", phone=None, chat="7@lid")
    world.receive("3A03", type="call", content={"is_video": False})
    world.receive("3A04", content={"body": "x" * 65})
    await world.wait_for(4)
    assert [(event.whatsapp_id, event.text) for event in world.events] == [("3A04", None)]
    assert {message.key for message in world.topic} == {"1-2@g.us", "7@lid", WRITER}


async def test_nothing_is_missed_by_a_kill(world: Follower) -> None:
    """What was not published when the process died is read again, in order, and nothing is repeated."""
    world.receive("3A01")
    await world.wait_for(1)
    world.may_publish.clear()
    for n in range(30):
        world.receive(f"3B{n:02}")
    await run_until_idle()
    await world.kill()
    world.may_publish.set()
    await world.start()
    await world.wait_for(31)
    assert world.ids == ["3A01", *(f"3B{n:02}" for n in range(30))]


async def test_a_page_that_was_away_is_read_when_it_is_ready(world: Follower) -> None:
    """Its events are lost; its store is not."""
    world.is_page_ready = False
    world.receive("3A01")
    await run_until_idle()
    world.is_page_ready = True
    world.driver.is_readable = False
    world.follower.notify_ready()
    await run_until_idle()
    assert not world.topic
    world.driver.is_readable = True
    world.follower.notify_ready()
    await world.wait_for(1)


async def test_a_message_whose_number_is_given_again_is_not_missed(world: Follower) -> None:
    """The last message is deleted on the phone, and the next one gets its number."""
    world.receive("3A01")
    world.receive("3A02")
    await world.wait_for(2)
    world.driver.rows.pop()
    world.receive("3A03")
    await world.wait_for(3)
    assert world.ids == ["3A01", "3A02", "3A03"]


async def test_changes_are_published_once(world: Follower) -> None:
    """After their message, and also not again by the next process."""
    world.receive("3A01")
    world.change("3C01", "edit", "3A01")
    world.change("3C02", "revoke", "3A01")
    await world.wait_for(3)
    assert world.ids == ["3A01", "3C01", "3C02"]
    edit, revoke = world.topic[1:]
    assert (edit.type, edit.message_id, edit.body) == ("edit", "3A01", "new")
    assert (revoke.type, revoke.message_id, revoke.whatsapp_id) == ("revoke", "3A01", "3C02")
    await world.kill()
    await world.start()
    world.change("3C03", "reaction", "3A01")
    await world.wait_for(4)
    assert world.ids[3:] == ["3C03"]


async def test_a_file_is_stored_before_its_record(world: Follower) -> None:
    """The record has its address, size and hash; the name is not what the writer wrote; nobody else can read it."""
    media = IncomingMedia("image/png", "../../etc/passwd", 4)
    message = make_incoming("3A01", type="image", content={"caption": "see"}, media=media)
    world.driver.files[message.key] = b"\x89PNG"
    world.receive("3A01", type="image", content={"caption": "see"}, media=media)
    await world.wait_for(1)
    stored = world.topic[0].media
    assert stored is not None
    assert (stored.mime, stored.filename, stored.size) == ("image/png", "../../etc/passwd", 4)
    [path] = [path for path in world.media_dir.rglob("*") if path.is_file()]
    assert stored.url == path.as_uri()
    assert (path.read_bytes(), path.suffix) == (b"\x89PNG", ".png")
    assert path.stat().st_mode & 0o077 == 0


async def test_a_file_that_cannot_be_had_does_not_block_its_chat(world: Follower) -> None:
    """A few attempts, then the record says why; what is final is not tried again."""
    media = IncomingMedia("image/png", None, 4)
    world.driver.media_failures = [MediaFailed("busy")] * 3
    world.receive("3A01", type="image", content={}, media=media)
    world.receive("3A02", type="image", content={}, media=media)
    world.receive("3A03")
    await world.wait_for(3)
    assert world.ids == ["3A01", "3A02", "3A03"]
    assert [message.media and message.media.error for message in world.topic] == [
        "busy",
        "media_gone",
        None,
    ]
    assert not list(world.media_dir.rglob("*.part"))


async def test_a_chat_does_not_wait_for_a_file_of_another(world: Follower) -> None:
    """While one chat waits for its file, the others go on; the position stays before the file."""
    blocked = asyncio.Event()
    open_media = world.driver.open_media

    async def wait_and_open(key: str, max_bytes: int) -> Any:
        await blocked.wait()
        return await open_media(key, max_bytes)

    world.driver.open_media = wait_and_open  # type: ignore[method-assign]
    world.receive("3A01", type="image", content={}, media=IncomingMedia())
    world.receive("3A02")
    world.receive("3B01", chat="7@c.us")
    await world.wait_for(1)
    assert world.ids == ["3B01"]
    await world.kill()
    blocked.set()
    await world.start()
    await until(lambda: {"3A01", "3A02"} <= set(world.ids))
    assert world.ids.index("3A01") < world.ids.index("3A02")


async def test_a_flood_is_read_in_parts(world: Follower) -> None:
    """A thousand messages of many chats: each once, and each chat in order."""
    for n in range(1000):
        message = make_incoming(f"3A{n:04}", at_s=world.now_s, chat=f"{n % 7}@c.us")
        world.driver.store_message(message)
    world.follower.notify(IncomingHint())
    await world.wait_for(1000)
    for chat in range(7):
        ids = [message.whatsapp_id for message in world.topic if message.chat_id == f"{chat}@c.us"]
        assert ids == sorted(ids)
