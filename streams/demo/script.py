"""What the demo asks for: about sixty requests of all kinds to a dozen phones, good and bad. Data only."""

import base64
import io
import struct
import wave
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

LIMIT: Final = 5  # messages a minute to one phone, so that a flood can be watched in a minute
FLOOD: Final = 8  # to one phone: three more than it may get at once
# Malaysian numbers of a possible length; nobody is meant, nothing leaves this machine.
PHONES: Final = tuple(f"+601155500{number:03}" for number in range(1, 13))
FLOODED: Final = PHONES[0]
TO_REPLY, TO_REACT = PHONES[1], PHONES[2]
STRANGER: Final = "+601155500099"  # not on WhatsApp until later


@dataclass(frozen=True, slots=True)
class Asked:
    """A record for `wa.outbound`, and what must become of it."""

    id: str
    to: str | None
    value: bytes
    ends: str = "sent"  # or "rejected", or "failed"
    code: str | None = None  # of the error that it ends in
    repeat: bool = False  # of a request that was asked for before: nothing more may be sent
    kind: str = ""  # of the content
    expects: str = ""  # what the phone shows, where that is text

    @property
    def key(self) -> bytes | None:
        """The phone, so that its requests stay in order on the way in."""
        return None if self.to is None else self.to.encode()


def opening() -> list[Asked]:
    """All that is asked for at the start, in this order."""
    return [*_conversations(), *_flood(), *_bad(), *_stranger(), _repeat()]


def first_to(phone: str) -> str:
    """The id of the first request to this phone."""
    return next(each.id for each in _conversations() if each.to == phone)


def second_act(replied: str, reacted: str) -> list[Asked]:
    """An answer and a reaction to messages that were sent: their WhatsApp ids, known by their statuses."""
    reply = _request(TO_REPLY, "reply", _text("It has left the depot"), reply_to=replied)
    content = {"type": "reaction", "message_id": reacted, "emoji": "👍"}
    return [reply, _request(TO_REACT, "reaction", content)]


def _conversations() -> list[Asked]:
    """A message of each kind in turn to each of eleven phones."""
    found: list[Asked] = []
    for step in range(4):
        for place, phone in enumerate(PHONES[1:]):
            kinds = _kinds(step)
            name, content = kinds[(place + step) % len(kinds)]
            found.append(_request(phone, f"{name}-{step + 1}", content))
    return found


def _kinds(step: int) -> Sequence[tuple[str, dict[str, Any]]]:
    return (
        ("text", _text(f"Your parcel is on its way ({step + 1} of 4)")),
        ("image", {"type": "image", "data": _PIXEL, "mime": "image/png", "caption": "a red dot"}),
        (
            "document",
            {"type": "document", "data": _NOTE, "mime": "text/plain", "filename": "note.txt"},
        ),
        (
            "location",
            {"type": "location", "latitude": 3.1579, "longitude": 101.7116, "name": "Petronas"},
        ),
        ("voice", {"type": "audio", "data": _TONE, "mime": "audio/wav", "voice": True}),
        ("sticker", {"type": "sticker", "data": _STICKER, "mime": "image/webp"}),
        ("contact", {"type": "contact", "name": "Depot", "phones": ["+60 11-5550 0001"]}),
        ("poll", {"type": "poll", "question": "When shall we come?", "options": ["am", "pm"]}),
    )


def _flood() -> list[Asked]:
    return [
        _request(FLOODED, f"flood-{number}", _text(f"flood {number} of {FLOOD}"))
        for number in range(1, FLOOD + 1)
    ]


def _bad() -> list[Asked]:
    """Requests that can never be sent; each gets an answer and a dead letter."""
    phone = PHONES[2]
    return [
        Asked("", None, b"Dear WhatsApp, please send", "rejected", "malformed_json"),
        _wrong("no-phone", "schema_violation", content=_text("to whom?")),
        _wrong("no-such-phone", "invalid_phone", to="+60 1", content=_text("too short")),
        _wrong("empty", "schema_violation", to=phone, content=_text("")),
        _wrong("hologram", "schema_violation", to=phone, content={"type": "hologram"}),
        _wrong("past", "schema_violation", to=phone, content=_text("late"), send_at="yesterday"),
    ]


def _stranger() -> list[Asked]:
    content = _text("Welcome to WhatsApp")
    return [_request(STRANGER, "stranger", content, ends="failed", code=NOT_ON_WHATSAPP)]


def _repeat() -> Asked:
    """A caller that is not sure asks again under the same id."""
    return _request(FLOODED, "flood-1", _text(f"flood 1 of {FLOOD}"), repeat=True)


NOT_ON_WHATSAPP: Final = "recipient_not_on_whatsapp"


def _request(
    phone: str,
    name: str,
    content: dict[str, Any],
    *,
    ends: str = "sent",
    code: str | None = None,
    repeat: bool = False,
    **more: Any,
) -> Asked:
    id = f"demo-{phone[-3:]}-{name}"
    value = orjson.dumps({"id": id, "to": phone, "content": content, **more})
    shown = content.get("body") or content.get("emoji") or ""
    return Asked(id, phone, value, ends, code, repeat, content["type"], shown)


def _wrong(name: str, code: str, to: str | None = None, **fields: Any) -> Asked:
    id = f"demo-bad-{name}"
    request = {"id": id, **({} if to is None else {"to": to}), **fields}
    return Asked(id, to, orjson.dumps(request), "rejected", code)


def _text(body: str) -> dict[str, Any]:
    return {"type": "text", "body": body}


def _png(red: int, green: int, blue: int) -> bytes:
    """A picture of one dot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    size = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    dot = zlib.compress(bytes((0, red, green, blue)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", dot) + chunk(b"IEND", b"")


_PIXEL: Final = base64.b64encode(_png(220, 40, 40)).decode()
# One transparent dot, WebP.
_STICKER: Final = "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAwA0JaQAA3AA/vuUAAA="


def _wav() -> bytes:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return file.getvalue()


_TONE: Final = base64.b64encode(_wav()).decode()
_NOTE: Final = base64.b64encode(b"Please ring twice.\n").decode()
