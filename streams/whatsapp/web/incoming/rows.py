"""Turns rows of WhatsApp Web's message table, as the adapter describes them, into the driver's values. Pure.

Total: whatever a row holds, there is a message. What cannot be represented is `other`, so it is never lost. All
fields are bounded, because a stranger chose what is in them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from streams.domain.inbound.reader import ReadBatch
from streams.whatsapp.incoming import (
    MAX_CONTACTS,
    MAX_NAME,
    MAX_OPTIONS,
    MAX_TEXT,
    ChangeBatch,
    IncomingMedia,
    IncomingMessage,
)

# WhatsApp's types (source: WAWebMsgType). Any other one is `other`.
_TYPES: Final[Mapping[str, str]] = {
    "chat": "text",
    "image": "image",
    "video": "video",
    "ptv": "video",
    "audio": "audio",
    "ptt": "audio",
    "document": "document",
    "sticker": "sticker",
    "location": "location",
    "vcard": "contact",
    "multi_vcard": "contact",
    "poll_creation": "poll",
    "call_log": "call",
    "revoked": "revoke",
}
_CHANGES: Final = frozenset({"edit", "revoke", "reaction"})
_PENDING_TYPES: Final = frozenset({"ciphertext"})
_MEDIA_TYPES: Final = frozenset({"image", "video", "audio", "document", "sticker"})
_MAX_ID: Final = 256
_LAST_TIME_S: Final = 253_402_300_799.0  # the end of the year 9999
_PHONE: Final = re.compile(r"^\+[0-9]{5,20}$")
_TEL: Final = re.compile(r"^(?:item\d+\.)?TEL[^:]*:(.+)$", re.MULTILINE)
_FN: Final = re.compile(r"^FN[^:]*:(.+)$", re.MULTILINE)
_MAX_VCARD: Final = 65_536
_MAX_PHONES: Final = 20
_MAX_PHONE: Final = 64


class _Fields:
    """The fields of one row. Remembers whether one of them was cut."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self.is_truncated = row.get("is_clipped") is True

    def get(self, name: str) -> object:
        """The value as it is."""
        return self._row.get(name)

    def cut(self, value: object, max_length: int) -> str | None:
        """A text of at most this length; None for anything but a text."""
        if not isinstance(value, str) or not value:
            return None
        if len(value) > max_length:
            self.is_truncated = True
        # A half of a surrogate pair cannot be written in UTF-8.
        return value[:max_length].encode("utf-8", "replace").decode()

    def text(self, name: str, max_length: int = MAX_TEXT) -> str | None:
        """The text of a field."""
        return self.cut(self.get(name), max_length)

    def number(self, name: str) -> float | None:
        """The number of a field, if it is finite."""
        value = self.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if is_number and abs(value) < 2**53 else None  # type: ignore[operator, arg-type]

    def items(self, name: str, max_count: int) -> list[object]:
        """The first items of a list."""
        value = self.get(name)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return []
        self.is_truncated |= len(value) > max_count
        return list(value[:max_count])


def decode_message(row: Mapping[str, Any]) -> IncomingMessage:
    """The message of a row of the table."""
    fields = _Fields(row)
    original_type = fields.text("type", MAX_NAME) or "unknown"
    type_ = _TYPES.get(original_type, "other")
    content = _CONTENTS.get(type_, _read_nothing)(fields)
    if content is None:
        type_, content = "other", {}
    if type_ == "other":
        content = {**content, "original_type": original_type}
    if reply_to := fields.text("quoted", _MAX_ID):
        content = {**content, "reply_to": reply_to}
    message = _make_message(fields, type_, fields.number("t"), content)
    media = _read_media(fields) if type_ in _MEDIA_TYPES else None
    is_pending = original_type in _PENDING_TYPES
    return replace(message, media=media, is_pending=is_pending, is_truncated=fields.is_truncated)


def decode_change(change: Mapping[str, Any]) -> IncomingMessage:
    """An edit, a revoke or a reaction, which the adapter names in `change`."""
    fields = _Fields(change)
    kind = fields.text("change", MAX_NAME) or ""
    kind = kind if kind in _CHANGES else "other"
    content: dict[str, object] = {"message_id": fields.text("target", _MAX_ID)}
    if kind == "reaction":
        content["emoji"] = fields.text("emoji", 64) or ""
    elif kind == "edit":
        content["body"] = fields.text("body") or fields.text("caption") or ""
    message = _make_message(fields, kind, fields.number("changed_s"), content)
    return replace(message, row=0, is_truncated=fields.is_truncated)


def decode_batch(answer: Mapping[str, Any]) -> ReadBatch[IncomingMessage]:
    """What the adapter's `read_messages` answers."""
    return ReadBatch(
        messages=[decode_message(row) for row in answer["rows"]],
        last_row=int(answer["last_row"]),
        last_key=str(answer["last_key"]),
        pending=[decode_message(row) for row in answer["pending"]],
        is_anchored=bool(answer["is_anchored"]),
    )


def decode_changes(answer: Mapping[str, Any]) -> ChangeBatch:
    """What the adapter's `read_changes` answers, the oldest first."""
    changes = sorted((decode_change(row) for row in answer["changes"]), key=lambda one: one.at_s)
    next_row = answer["next_row"]
    return ChangeBatch(tuple(changes), None if next_row is None else int(next_row))


# -- parts


def _make_message(
    fields: _Fields, type_: str, at_s: float | None, content: Mapping[str, object]
) -> IncomingMessage:
    phone = fields.text("phone", _MAX_ID)
    chat_id = fields.text("remote", _MAX_ID) or "unknown"
    return IncomingMessage(
        row=int(fields.number("row") or 0),
        key=fields.text("key", 4 * _MAX_ID) or "",
        chat_id=chat_id,
        whatsapp_id=fields.text("id", _MAX_ID) or fields.text("key", 4 * _MAX_ID) or "unknown",
        type=type_,
        at_s=min(max(0.0, at_s or 0.0), _LAST_TIME_S),
        phone=phone if phone and _PHONE.match(phone) else None,
        group=chat_id if chat_id.endswith("@g.us") else None,
        name=fields.text("name", MAX_NAME),
        content={name: value for name, value in content.items() if value is not None},
    )


def _read_media(fields: _Fields) -> IncomingMedia:
    size = fields.number("size")
    return IncomingMedia(
        mime=fields.text("mimetype", 256),
        filename=fields.text("filename", MAX_NAME),
        size=int(size) if size is not None and size >= 0 else None,
    )


def _read_text(fields: _Fields) -> dict[str, object]:
    return {"body": fields.text("body") or ""}


def _read_caption(fields: _Fields) -> dict[str, object]:
    return {"caption": fields.text("caption")}


def _read_location(fields: _Fields) -> dict[str, object] | None:
    latitude, longitude = fields.number("lat"), fields.number("lng")
    if latitude is None or longitude is None:
        return None
    name, _, address = (fields.text("loc") or "").partition("\n")
    place = {"name": fields.cut(name, MAX_NAME), "address": fields.cut(address, MAX_NAME)}
    return {"location": {"latitude": latitude, "longitude": longitude, **place}}


def _read_contacts(fields: _Fields) -> dict[str, object] | None:
    cards = [card for card in fields.items("vcards", MAX_CONTACTS) if isinstance(card, Mapping)]
    contacts = [_read_card(fields, card) for card in cards]
    return {"contacts": contacts} if contacts else None


def _read_card(fields: _Fields, card: Mapping[str, object]) -> dict[str, object]:
    vcard = (fields.cut(card.get("vcard"), _MAX_VCARD) or "").replace("\r\n", "\n")
    formatted = _FN.search(vcard)
    name = card.get("name") or (formatted.group(1) if formatted else "")
    phones = [fields.cut(phone.strip(), _MAX_PHONE) for phone in _TEL.findall(vcard)[:_MAX_PHONES]]
    return {
        "name": fields.cut(name, MAX_NAME) or "",
        "phones": [phone for phone in phones if phone],
    }


def _read_poll(fields: _Fields) -> dict[str, object]:
    options = [fields.cut(option, MAX_NAME) for option in fields.items("poll_options", MAX_OPTIONS)]
    poll = {
        "question": fields.text("poll_name", MAX_NAME) or "",
        "options": [option for option in options if option],
        "multiple": fields.number("poll_selectable") == 0,
    }
    return {"poll": poll}


def _read_call(fields: _Fields) -> dict[str, object]:
    return {"is_video": fields.get("is_video_call") is True}


def _read_revoke(fields: _Fields) -> dict[str, object]:
    return {"message_id": fields.text("target", _MAX_ID)}


def _read_nothing(fields: _Fields) -> dict[str, object]:
    """Of a type that is not known, the texts that it has."""
    return {"body": fields.text("body"), "caption": fields.text("caption")}


_CONTENTS: Final[Mapping[str, Any]] = {
    "text": _read_text,
    **dict.fromkeys(_MEDIA_TYPES, _read_caption),
    "location": _read_location,
    "contact": _read_contacts,
    "poll": _read_poll,
    "call": _read_call,
    "revoke": _read_revoke,
}
