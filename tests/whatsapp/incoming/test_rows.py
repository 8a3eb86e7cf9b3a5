"""What becomes of a row of WhatsApp Web's message table. No browser."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.whatsapp.incoming import MAX_NAME, MAX_TEXT, IncomingMedia
from streams.whatsapp.web.incoming.rows import decode_change, decode_message

ROW: dict[str, Any] = {
    "row": 1_000_000_007,
    "key": "false_7@lid_3A01",
    "id": "3A01",
    "remote": "7@lid",
    "phone": "+60123456789",
    "t": 1_795_510_800,
}


@pytest.mark.parametrize(
    ("fields", "type_", "content"),
    [
        ({"type": "chat", "body": "hello"}, "text", {"body": "hello"}),
        ({"type": "chat"}, "text", {"body": ""}),
        (
            {"type": "chat", "body": "x", "quoted": "3EB0"},
            "text",
            {"body": "x", "reply_to": "3EB0"},
        ),
        ({"type": "image", "caption": "see"}, "image", {"caption": "see"}),
        ({"type": "ptv"}, "video", {}),
        ({"type": "ptt"}, "audio", {}),
        ({"type": "document"}, "document", {}),
        ({"type": "sticker"}, "sticker", {}),
        (
            {"type": "location", "lat": 1.5, "lng": -2, "loc": "Home\nStreet 1"},
            "location",
            {
                "location": {
                    "latitude": 1.5,
                    "longitude": -2.0,
                    "name": "Home",
                    "address": "Street 1",
                }
            },
        ),
        ({"type": "location", "lat": "x"}, "other", {"original_type": "location"}),
        (
            {"type": "vcard", "vcards": [{"vcard": "BEGIN:VCARD\r\nFN:Ann\r\nTEL;x=1:+60 1\r\n"}]},
            "contact",
            {"contacts": [{"name": "Ann", "phones": ["+60 1"]}]},
        ),
        ({"type": "multi_vcard", "vcards": []}, "other", {"original_type": "multi_vcard"}),
        (
            {
                "type": "poll_creation",
                "poll_name": "Q",
                "poll_options": ["a"],
                "poll_selectable": 0,
            },
            "poll",
            {"poll": {"question": "Q", "options": ["a"], "multiple": True}},
        ),
        ({"type": "call_log", "is_video_call": True}, "call", {"is_video": True}),
        ({"type": "revoked", "target": "3A00"}, "revoke", {"message_id": "3A00"}),
        ({"type": "order", "body": "x"}, "other", {"body": "x", "original_type": "order"}),
        ({}, "other", {"original_type": "unknown"}),
    ],
)
def test_each_kind(fields: dict[str, Any], type_: str, content: dict[str, Any]) -> None:
    """Each of WhatsApp's types has a word of the contract, and what has none is `other`."""
    message = decode_message(ROW | fields)
    assert (message.type, message.content) == (type_, content)
    assert (message.whatsapp_id, message.phone, message.at_s) == ("3A01", "+60123456789", ROW["t"])


@pytest.mark.parametrize(
    ("fields", "type_", "content"),
    [
        ({"change": "edit", "body": "new"}, "edit", {"message_id": "3A00", "body": "new"}),
        ({"change": "edit", "caption": "new"}, "edit", {"message_id": "3A00", "body": "new"}),
        ({"change": "revoke"}, "revoke", {"message_id": "3A00"}),
        ({"change": "reaction", "emoji": "x"}, "reaction", {"message_id": "3A00", "emoji": "x"}),
        ({"change": "reaction"}, "reaction", {"message_id": "3A00", "emoji": ""}),
    ],
)
def test_each_change(fields: dict[str, Any], type_: str, content: dict[str, Any]) -> None:
    """A change has an id of its own, and names its message."""
    change = decode_change(ROW | {"target": "3A00", "changed_s": 5.0} | fields)
    assert (change.type, change.content, change.at_s) == (type_, content, 5.0)
    assert (change.whatsapp_id, change.row) == ("3A01", 0)


def test_a_hidden_number_and_a_group() -> None:
    """A number that WhatsApp does not tell is None, and a group is named."""
    message = decode_message(ROW | {"type": "chat", "phone": None, "remote": "1-2@g.us"})
    assert (message.phone, message.group, message.chat_id) == (None, "1-2@g.us", "1-2@g.us")
    assert decode_message(ROW | {"type": "chat", "phone": "+x"}).phone is None


def test_what_is_too_long_is_cut() -> None:
    """A name of 1 MB, and a text with half a character, do no harm."""
    message = decode_message(
        ROW
        | {"type": "chat", "body": "\ud83d" * (MAX_TEXT + 1), "name": "n" * 1_000_000}
        | {"filename": "f" * 1_000_000}
    )
    assert message.is_truncated
    assert message.content == {"body": "?" * MAX_TEXT}
    assert message.name == "n" * MAX_NAME


def test_a_file_is_described() -> None:
    """As the writer's phone describes it, if that makes sense."""
    row = ROW | {"type": "image", "mimetype": "image/png", "size": 7, "filename": "a/../b"}
    assert decode_message(row).media == IncomingMedia("image/png", "a/../b", 7)
    assert decode_message(row | {"size": -1}).media == IncomingMedia("image/png", "a/../b")


def test_a_message_that_cannot_be_decrypted_yet() -> None:
    """Its content may come later."""
    assert decode_message(ROW | {"type": "ciphertext"}).is_pending


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3)
    ),
    max_leaves=5,
)
TYPES = (
    "chat",
    "image",
    "location",
    "vcard",
    "multi_vcard",
    "poll_creation",
    "call_log",
    "revoked",
)
NAMES = (
    *("row", "key", "id", "remote", "phone", "t", "body", "caption", "quoted", "target", "name"),
    *("lat", "lng", "loc", "vcards", "poll_name", "poll_options", "poll_selectable", "mimetype"),
    *("filename", "size", "is_video_call", "changed_s", "emoji"),
)


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING), st.sampled_from(TYPES) | ANYTHING)
def test_any_row_becomes_a_message(fields: dict[str, Any], type_: Any) -> None:
    """Whatever WhatsApp Web holds, nothing is lost and nothing fails."""
    for message in (
        decode_message({**fields, "type": type_}),
        decode_change({**fields, "change": type_}),
    ):
        assert message.whatsapp_id
        assert message.chat_id
        assert len(message.name or "") <= MAX_NAME
