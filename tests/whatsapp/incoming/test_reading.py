"""Messages to the account, read from the page's store in a real Chromium against the sandbox."""

import base64
from typing import Any

import pytest

from streams.domain.inbound.position import FIRST_ROW
from streams.domain.inbound.reader import ReadBatch, ReadRequest
from streams.whatsapp.driver import Phase
from streams.whatsapp.incoming import IncomingMessage, MediaFailed, OpenedMedia
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import PEER, wait_for_phase
from tests.support.sandbox import SandboxControl
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUP = "120363000000000001@g.us"
FILE = {"data": base64.b64encode(b"\x89PNG").decode(), "mime": "image/png", "filename": "<a>.png"}


class Reading:
    """Writes to the account, and reads what the page has of it."""

    def __init__(self, driver: WhatsAppWeb, control: SandboxControl) -> None:
        self.driver = driver
        self.control = control
        self.last = ReadRequest(FIRST_ROW - 1, "", 0.0)

    async def write(self, body: str = "", **fields: Any) -> str:
        """Somebody writes to the account."""
        assert self.driver.session.phone is not None
        return await self.control.write_to_account(PEER, self.driver.session.phone, body, **fields)

    async def read(self, request: ReadRequest | None = None) -> ReadBatch[IncomingMessage]:
        """The next part; without a request, everything."""
        batch = await self.driver.read_messages(request or self.last)
        assert batch is not None
        return batch

    async def find(self, whatsapp_id: str) -> IncomingMessage:
        """The message with this id, as soon as the page has it."""

        async def search() -> IncomingMessage | None:
            messages = (await self.read()).messages
            return next((m for m in messages if m.whatsapp_id == whatsapp_id), None)

        return await wait_until(search, message="the page does not have the message")

    async def find_change(self, whatsapp_id: str) -> IncomingMessage:
        """The change with this id, as soon as the page has it."""

        async def search() -> IncomingMessage | None:
            batch = await self.driver.read_changes(0.0, after_row=0)
            assert batch is not None
            return next((c for c in batch.changes if c.whatsapp_id == whatsapp_id), None)

        return await wait_until(search, message="the page does not have the change")


@pytest.fixture
def reading(shared_driver: WhatsAppWeb, shared_control: SandboxControl) -> Reading:
    """The account of this module."""
    return Reading(shared_driver, shared_control)


KINDS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"body": "<b>hello</b>"}, "text", {"body": "<b>hello</b>"}),
    ({"body": "yes", "reply_to": "3EB0Q"}, "text", {"body": "yes", "reply_to": "3EB0Q"}),
    ({"type": "image", "media": FILE, "caption": "see"}, "image", {"caption": "see"}),
    ({"type": "document", "media": FILE}, "document", {}),
    (
        {"type": "location", "location": {"latitude": 1.5, "longitude": 2, "name": "Home"}},
        "location",
        {"location": {"latitude": 1.5, "longitude": 2.0, "name": "Home", "address": None}},
    ),
    (
        {"type": "contact", "contacts": [{"name": "Ann", "phone": "+60 12"}]},
        "contact",
        {"contacts": [{"name": "Ann", "phones": ["+60 12"]}]},
    ),
    (
        {"type": "poll", "poll": {"question": "Q?", "options": ["a", "b"]}},
        "poll",
        {"poll": {"question": "Q?", "options": ["a", "b"], "multiple": False}},
    ),
    ({"type": "call", "is_video": True}, "call", {"is_video": True}),
    ({"type": "order", "body": "a picture"}, "other", {"original_type": "order"}),
]


@pytest.mark.parametrize(("fields", "type_", "content"), KINDS)
async def test_each_kind_is_read(
    reading: Reading, fields: dict[str, Any], type_: str, content: dict[str, Any]
) -> None:
    """Each kind comes through the page with what is in it."""
    message = await reading.find(await reading.write(**fields))
    assert (message.type, dict(message.content)) == (type_, content)
    assert (message.phone, message.group) == (PEER, None)
    assert message.chat_id.endswith("@lid")


async def test_a_group_a_hidden_number_and_a_long_name(reading: Reading) -> None:
    """The writer of a group is known; a hidden number is not; a name of 1 MB is cut."""
    in_group = await reading.find(await reading.write("one", group=GROUP, name="n" * 1_000_000))
    assert (in_group.group, in_group.chat_id, in_group.phone) == (GROUP, GROUP, PEER)
    assert len(in_group.name or "") == 1024
    assert in_group.is_truncated
    assert reading.driver.session.phone is not None
    hidden_id = await reading.control.write_to_account(
        "+905550009999", reading.driver.session.phone, "two", is_hidden=True
    )
    hidden = await reading.find(hidden_id)
    assert (hidden.phone, hidden.content) == (None, {"body": "two"})


async def test_changes_have_ids_of_their_own(reading: Reading) -> None:
    """An edit, a reaction and a revoke name their message; the position stays valid after the revoke."""
    target = await reading.write("helo")
    before = await reading.find(target)
    edit = await reading.find_change(await reading.write("hello", type="edit", message_id=target))
    assert (edit.type, edit.content) == ("edit", {"message_id": target, "body": "hello"})
    reaction = await reading.find_change(
        await reading.write("x", type="reaction", message_id=target)
    )
    assert (reaction.type, reaction.content) == ("reaction", {"message_id": target, "emoji": "x"})
    assert reaction.phone == PEER
    revoke_id = await reading.write(type="revoke", message_id=target)
    revoke = await reading.find_change(revoke_id)
    assert (revoke.type, revoke.content) == ("revoke", {"message_id": target})
    batch = await reading.read(ReadRequest(before.row, before.key, 0.0))
    assert batch.is_anchored


async def test_a_part_is_read_after_a_position(reading: Reading) -> None:
    """Rows after a message come in order; a position whose message has gone is refused."""
    first = await reading.find(await reading.write("one"))
    second = await reading.find(await reading.write("two"))
    batch = await reading.read(ReadRequest(first.row, first.key, 0.0))
    assert [m.whatsapp_id for m in batch.messages] == [second.whatsapp_id]
    assert (batch.last_row, batch.last_key) == (second.row, second.key)
    assert not (await reading.read(ReadRequest(first.row, second.key, 0.0))).is_anchored
    assert not (await reading.read(ReadRequest(first.row, first.key, 9e9))).messages


async def test_the_content_of_a_placeholder_comes_later(reading: Reading) -> None:
    """What could not be decrypted keeps its place, and is read by its key."""
    id = await reading.write(type="ciphertext")
    placeholder = await reading.find(id)
    assert placeholder.is_pending
    await reading.write("at last", whatsapp_id=id)
    request = ReadRequest(placeholder.row, placeholder.key, 0.0, pending=(placeholder.key,))

    async def has_content() -> bool:
        return not (await reading.read(request)).pending[0].is_pending

    await wait_until(has_content)
    [message] = (await reading.read(request)).pending
    assert (message.row, message.content) == (placeholder.row, {"body": "at last"})


async def test_a_file_is_read_in_parts(reading: Reading) -> None:
    """The bytes come out of the page; a message without a file, and a large file, are refused for good."""
    message = await reading.find(await reading.write(type="image", media=FILE))
    opened = await reading.driver.open_media(message.key, 100)
    assert isinstance(opened, OpenedMedia)
    assert opened.size == 4
    parts = [await reading.driver.read_media(opened.token, n, n + 3) for n in (0, 3)]
    assert parts == [b"\x89PN", b"G"]
    await reading.driver.close_media(opened.token)
    too_large = await reading.driver.open_media(message.key, 3)
    assert too_large == MediaFailed("media_too_large", is_final=True)
    text = await reading.find(await reading.write("no file"))
    failed = await reading.driver.open_media(text.key, 100)
    assert isinstance(failed, MediaFailed)
    assert failed.is_final


async def test_a_download_that_fails_can_be_tried_again(reading: Reading) -> None:
    """WhatsApp's server may refuse a file once."""
    await reading.control.add_faults({"download_error": 503}, count=1)
    media = {**FILE, "data": base64.b64encode(b"other").decode()}
    message = await reading.find(await reading.write(type="image", media=media))
    failed = await reading.driver.open_media(message.key, 100)
    assert isinstance(failed, MediaFailed)
    assert not failed.is_final
    assert isinstance(await reading.driver.open_media(message.key, 100), OpenedMedia)


async def test_what_arrived_while_the_page_was_away_is_there(reading: Reading) -> None:
    """After a lost connection, the page has the messages before it is ready, in their order."""
    first = await reading.find(await reading.write("before"))
    await reading.control.add_faults({"socket_down_s": 1})
    await wait_for_phase(reading.driver, Phase.RECONNECTING)
    written = [await reading.write(str(n)) for n in range(3)]
    await wait_for_phase(reading.driver, Phase.READY)
    await reading.find(written[-1])
    batch = await reading.read(ReadRequest(first.row, first.key, 0.0))
    assert [m.whatsapp_id for m in batch.messages] == written
