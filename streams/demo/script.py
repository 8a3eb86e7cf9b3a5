"""The requests of the demo: about sixty of all kinds, to a dozen phones, valid and invalid. Data only."""

import base64
import io
import struct
import wave
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

RATE_LIMIT_PER_MINUTE: Final = (
    5  # messages a minute to one phone: low, so that a minute shows its effect
)
FLOOD_SIZE: Final = 8  # requests to one phone: three more than it may receive within a minute
# Malaysian numbers of a valid length, chosen at random. Nothing leaves this machine.
PHONES: Final = tuple(f"+601155500{number:03}" for number in range(1, 13))
FLOODED_PHONE: Final = PHONES[0]
REPLY_PHONE, REACTION_PHONE = PHONES[1], PHONES[2]
STRANGER_PHONE: Final = "+601155500099"  # not on WhatsApp at first


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """A record for `wa.outbound`, and the result that it must have."""

    id: str
    to: str | None
    value: bytes
    expected_status: str = "sent"  # or "rejected", "failed" or "cancelled"
    code: str | None = None  # the code of the expected error
    is_repeat: bool = False  # repeats an earlier request: no second message may be sent
    kind: str = ""  # the type of the content
    expected_text: str = ""  # what the phone shows, if that is text
    not_before_s: float = 0.0  # it must not arrive before this time

    @property
    def key(self) -> bytes | None:
        """The phone, so that its requests stay in order."""
        return None if self.to is None else self.to.encode()


def build_first_act() -> list[DemoRequest]:
    """All requests of the start, in this order."""
    return [
        *_build_conversations(),
        *_build_flood(),
        *_build_bad_requests(),
        *_build_stranger_request(),
        _build_repeat(),
    ]


def find_first_request_id(phone: str) -> str:
    """The id of the first request to this phone."""
    return next(request.id for request in _build_conversations() if request.to == phone)


def build_second_act(reply_to_id: str, react_to_id: str) -> list[DemoRequest]:
    """A reply and a reaction to messages that were sent, by their WhatsApp ids."""
    reply = _build_request(
        REPLY_PHONE, "reply", _text_content("It has left the depot"), reply_to=reply_to_id
    )
    content = {"type": "reaction", "message_id": react_to_id, "emoji": "👍"}
    return [reply, _build_request(REACTION_PHONE, "reaction", content)]


def _build_conversations() -> list[DemoRequest]:
    """Four messages of different kinds to each of eleven phones."""
    requests: list[DemoRequest] = []
    for step in range(4):
        for index, phone in enumerate(PHONES[1:]):
            contents = _build_contents(step)
            name, content = contents[(index + step) % len(contents)]
            requests.append(_build_request(phone, f"{name}-{step + 1}", content))
    return requests


def _build_contents(step: int) -> Sequence[tuple[str, dict[str, Any]]]:
    return (
        ("text", _text_content(f"Your parcel is on its way ({step + 1} of 4)")),
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


def _build_flood() -> list[DemoRequest]:
    return [
        _build_request(
            FLOODED_PHONE, f"flood-{number}", _text_content(f"flood {number} of {FLOOD_SIZE}")
        )
        for number in range(1, FLOOD_SIZE + 1)
    ]


def _build_bad_requests() -> list[DemoRequest]:
    """Requests that can never be sent; each gets a status event and a dead letter."""
    phone = PHONES[2]
    return [
        DemoRequest("", None, b"Dear WhatsApp, please send", "rejected", "malformed_json"),
        _build_bad_request("no-phone", "schema_violation", content=_text_content("to whom?")),
        _build_bad_request(
            "no-such-phone", "invalid_phone", to="+60 1", content=_text_content("too short")
        ),
        _build_bad_request("empty", "schema_violation", to=phone, content=_text_content("")),
        _build_bad_request("hologram", "schema_violation", to=phone, content={"type": "hologram"}),
        _build_bad_request(
            "past", "schema_violation", to=phone, content=_text_content("late"), send_at="yesterday"
        ),
    ]


def _build_stranger_request() -> list[DemoRequest]:
    content = _text_content("Welcome to WhatsApp")
    return [
        _build_request(
            STRANGER_PHONE, "stranger", content, expected_status="failed", code=NOT_ON_WHATSAPP
        )
    ]


def _build_repeat() -> DemoRequest:
    """A caller repeats a request under the same id, as after a timeout."""
    return _build_request(
        FLOODED_PHONE, "flood-1", _text_content(f"flood 1 of {FLOOD_SIZE}"), is_repeat=True
    )


NOT_ON_WHATSAPP: Final = "recipient_not_on_whatsapp"


def _build_request(
    phone: str,
    name: str,
    content: dict[str, Any],
    *,
    expected_status: str = "sent",
    code: str | None = None,
    is_repeat: bool = False,
    **fields: Any,
) -> DemoRequest:
    id = f"demo-{phone[-3:]}-{name}"
    value = orjson.dumps({"id": id, "to": phone, "content": content, **fields})
    expected_text = content.get("body") or content.get("emoji") or ""
    return DemoRequest(
        id, phone, value, expected_status, code, is_repeat, content["type"], expected_text
    )


def _build_bad_request(name: str, code: str, to: str | None = None, **fields: Any) -> DemoRequest:
    id = f"demo-bad-{name}"
    request = {"id": id, **({} if to is None else {"to": to}), **fields}
    return DemoRequest(id, to, orjson.dumps(request), "rejected", code)


def _text_content(body: str) -> dict[str, Any]:
    return {"type": "text", "body": body}


def _encode_png(red: int, green: int, blue: int) -> bytes:
    """An image of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    size = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    dot = zlib.compress(bytes((0, red, green, blue)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", dot) + chunk(b"IEND", b"")


_PIXEL: Final = base64.b64encode(_encode_png(220, 40, 40)).decode()
# One transparent pixel, WebP.
_STICKER: Final = "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAwA0JaQAA3AA/vuUAAA="


def _encode_wav() -> bytes:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return file.getvalue()


_TONE: Final = base64.b64encode(_encode_wav()).decode()
_NOTE: Final = base64.b64encode(b"Please ring twice.\n").decode()
