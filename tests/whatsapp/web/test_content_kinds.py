"""Every kind of content through the real wa-js: what the server gets is what the request says.

All tests of this file share one linked driver; each has its own ids.
"""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import pytest

from streams.contract.request.content import CONTENT_KINDS
from streams.whatsapp.driver import MessageFound, NotSubmitted, ServerAccepted
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import PEER_CHAT, make_message, make_text
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

# No program here decodes a file, so the bytes need not be a real picture or film.
FILE = b"\x89 any bytes \x00\xff"
FILE_DATA = base64.b64encode(FILE).decode()
QUOTED_ID = "3EB0CD00"
VCARD = "\n".join(
    [
        "BEGIN:VCARD",
        "VERSION:3.0",
        "N:;Ali\\, Veli 🧔;;;",
        "FN:Ali\\, Veli 🧔",
        "TEL;type=CELL;waid=905551112244:+905551112244",
        "TEL;type=CELL;waid=60123456789:+60123456789",
        "END:VCARD",
    ]
)


def file_details(mime: str, **details: Any) -> dict[str, Any]:
    """What the log has of FILE: each byte arrived."""
    sha256 = hashlib.sha256(FILE).hexdigest()
    return {"mimetype": mime, "size": len(FILE), "filehash": sha256, **details}


@dataclass(frozen=True)
class Case:
    """A content, and the row of the log that it must lead to."""

    content: dict[str, Any]
    body: str
    details: dict[str, Any] = field(default_factory=dict)


CASES = {
    "text": Case({"type": "text", "body": "salut 👋🏽 *gras*"}, "salut 👋🏽 *gras*"),
    "image": Case(
        {"type": "image", "data": FILE_DATA, "mime": "image/png", "caption": "a dot 🔴"},
        "a dot 🔴",
        file_details("image/png", filename="image"),
    ),
    "video": Case(
        {"type": "video", "data": FILE_DATA, "mime": "video/mp4", "caption": "a film 🎬"},
        "a film 🎬",
        file_details("video/mp4", filename="video"),
    ),
    "audio": Case(
        {"type": "audio", "data": FILE_DATA, "mime": "audio/mpeg", "filename": "song 🎵.mp3"},
        "",
        file_details("audio/mpeg", filename="song 🎵.mp3"),
    ),
    "voice": Case(
        {"type": "audio", "data": FILE_DATA, "mime": "audio/ogg", "voice": True},
        "",
        file_details("audio/ogg", filename="audio", voice=True),
    ),
    "document": Case(
        {
            "type": "document",
            "data": FILE_DATA,
            "mime": "application/pdf",
            "filename": "bill 🧾.pdf",
            "caption": "your bill 🧾",
        },
        "your bill 🧾",
        file_details("application/pdf", filename="bill 🧾.pdf"),
    ),
    "sticker": Case(
        {"type": "sticker", "data": FILE_DATA, "mime": "image/webp"},
        "",
        file_details("image/webp", filename="sticker"),
    ),
    "location": Case(
        {
            "type": "location",
            "latitude": 41.0256,
            "longitude": 28.9741,
            "name": "Galata 🗼",
            "address": "Bereketzade",
        },
        "",
        {"lat": 41.0256, "lng": 28.9741, "loc": "Galata 🗼\nBereketzade"},
    ),
    "contact": Case(
        {
            "type": "contact",
            "name": "Ali, Veli 🧔",
            "phones": ["+90 555 111 22 44", "+60123456789"],
        },
        VCARD,
        {"vcardFormattedName": "Ali, Veli 🧔"},
    ),
    "contact whose name has every special character": Case(
        {
            "type": "contact",
            "name": "A\rB\nC\r\nD\u2028E;F,G\\H\x00\x1b:I",
            "phones": ["+60123456789"],
        },
        "\n".join(
            [
                "BEGIN:VCARD",
                "VERSION:3.0",
                r"N:;A\nB\nC\nD\nE\;F\,G\\H:I;;;",
                r"FN:A\nB\nC\nD\nE\;F\,G\\H:I",
                "TEL;type=CELL;waid=60123456789:+60123456789",
                "END:VCARD",
            ]
        ),
        {"vcardFormattedName": "A B C D E;F,G\\H:I"},
    ),
    "location whose name has lines": Case(
        {"type": "location", "latitude": 1.5, "longitude": 2.5, "name": "A\nB", "address": "C"},
        "",
        {"lat": 1.5, "lng": 2.5, "loc": "A B\nC"},
    ),
    "poll": Case(
        {"type": "poll", "question": "When? ⏰", "options": ["now 🚀", "later"], "multiple": True},
        "",
        {
            "pollName": "When? ⏰",
            "pollOptions": [{"name": "now 🚀", "localId": 0}, {"name": "later", "localId": 1}],
            "pollSelectableOptionsCount": 0,
        },
    ),
    "poll with one answer": Case(
        {"type": "poll", "question": "Where? 🗺", "options": ["here", "there"]},
        "",
        {
            "pollName": "Where? 🗺",
            "pollOptions": [{"name": "here", "localId": 0}, {"name": "there", "localId": 1}],
            "pollSelectableOptionsCount": 1,
        },
    ),
}


async def send_quoted_message(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """Send the message that the others refer to; it does not count as new."""
    assert isinstance(await driver.submit(make_text(QUOTED_ID, "a question")), ServerAccepted)
    await control.set_mark()


@pytest.mark.parametrize("name", CASES)
async def test_a_reply_of_each_kind_arrives_whole(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, name: str
) -> None:
    """It arrives once, under its id, with its type, its text, its fields and the quoted message."""
    case, whatsapp_id = CASES[name], f"3EB0CD{list(CASES).index(name) + 1:02}"
    await send_quoted_message(shared_driver, shared_control)
    message = make_message(whatsapp_id, case.content, reply_to=QUOTED_ID)
    assert isinstance(await shared_driver.submit(message), ServerAccepted)
    (row,) = await shared_control.fetch_new_messages()
    assert (row["whatsapp_id"], row["type"]) == (whatsapp_id, case.content["type"])
    assert (row["body"], row["details"]) == (case.body, case.details)
    assert row["reply_to"] == QUOTED_ID
    assert isinstance(await shared_driver.find_message(whatsapp_id, PEER_CHAT), MessageFound)


@pytest.mark.parametrize("emoji", ["❤️", ""])
async def test_a_reaction_refers_to_its_message(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, emoji: str
) -> None:
    """It has the emoji, or nothing if the reaction is taken back, and the id that was chosen for it."""
    await send_quoted_message(shared_driver, shared_control)
    content: dict[str, Any] = {"type": "reaction", "message_id": QUOTED_ID, "emoji": emoji}
    whatsapp_id = "3EB0CD90" if emoji else "3EB0CD94"
    reaction = make_message(whatsapp_id, content)
    assert isinstance(await shared_driver.submit(reaction), ServerAccepted)
    (row,) = await shared_control.fetch_new_messages()
    assert (row["type"], row["body"], row["reply_to"]) == ("reaction", emoji, QUOTED_ID)
    assert row["whatsapp_id"] == whatsapp_id
    assert row["details"] == {}


async def test_a_reaction_to_an_unknown_message_is_refused(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """Nothing is sent when the message is not in the chat."""
    content: dict[str, Any] = {"type": "reaction", "message_id": "3EB0NONE", "emoji": "👍"}
    result = await shared_driver.submit(make_message("3EB0CD91", content))
    assert isinstance(result, NotSubmitted)
    assert result.code == "content_refused"
    assert await shared_control.fetch_new_ids() == []


async def test_a_large_file_arrives_whole(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """It is uploaded in many chunks through a driver with a small heap, and each byte arrives."""
    size = 12 * 1024 * 1024 + 1
    data = base64.b64encode(bytes(size)).decode()
    content: dict[str, object] = {"type": "document", "data": data, "filename": "zeros.bin"}
    result = await shared_driver.submit(make_message("3EB0CD92", content, deadline_in_s=30))
    assert isinstance(result, ServerAccepted)
    (row,) = await shared_control.fetch_new_messages()
    assert row["details"]["size"] == size
    assert row["details"]["filehash"] == hashlib.sha256(bytes(size)).hexdigest()


async def test_a_file_that_is_too_large_for_whatsapp_is_refused(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl
) -> None:
    """The page has a limit for each kind, and the servers for files have one; nothing is sent."""
    content = CASES["image"].content
    tab = shared_driver._require_page()._tab
    await tab.evaluate(
        """() => {
          const utils = WPP.whatsapp.MediaGatingUtils;
          window.realLimit = utils.getUploadLimit;
          utils.getUploadLimit = (type) => (type === "image" ? 3 : 1e9);
        }"""
    )
    try:
        result = await shared_driver.submit(make_message("3EB0CD95", content))
    finally:
        await tab.evaluate(
            "() => { WPP.whatsapp.MediaGatingUtils.getUploadLimit = window.realLimit; }"
        )
    assert isinstance(result, NotSubmitted)
    assert result.code == "media_too_large"
    large = base64.b64encode(b"%PDF more").decode()  # not uploaded before
    await shared_control.add_faults({"upload_error": 413}, count=1)
    document: dict[str, object] = {"type": "document", "data": large}
    result = await shared_driver.submit(make_message("3EB0CD96", document))
    assert isinstance(result, NotSubmitted)
    assert result.code == "media_too_large"
    assert await shared_control.fetch_new_ids() == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"type": "image"}, "media_fetch_failed"),
        ({"type": "image", "data": "not base64!"}, "media_rejected"),
        ({"type": "hologram"}, "content_refused"),
    ],
)
async def test_bad_content_is_not_submitted(
    shared_driver: WhatsAppWeb,
    shared_control: SandboxControl,
    content: dict[str, object],
    code: str,
) -> None:
    """Nothing arrives, and the code says what is wrong."""
    result = await shared_driver.submit(make_message("3EB0CD93", content))
    assert isinstance(result, NotSubmitted)
    assert result.code == code
    assert await shared_control.fetch_new_ids() == []


async def test_each_supported_kind_has_a_sender_and_a_test() -> None:
    """The contract's kinds, without what is not built yet or was rendered before, are the adapter's and this file's."""
    source = (files("streams.whatsapp") / "web" / "adapter" / "contents" / "contents.js").read_text(
        "utf-8"
    )
    (table,) = re.findall(r"const SENDERS = \{\n(.*?)\n  \};", source, re.DOTALL)
    senders = set(re.findall(r"^    (\w+): ", table, re.MULTILINE))
    supported_kinds = set(CONTENT_KINDS) - {"template"}
    changes = {"edit", "revoke"}  # of an earlier message: tests/whatsapp/messages/test_changes.py
    assert senders == supported_kinds | changes
    assert {case.content["type"] for case in CASES.values()} | {"reaction"} == supported_kinds
