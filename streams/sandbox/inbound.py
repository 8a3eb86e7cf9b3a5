"""The body of `POST /inbound`: what somebody writes to an account, as an event of the world. Pure, but for new ids.

The words are those of the contract; the page gets WhatsApp's own types and fields.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from streams.sandbox.state.events import Inbound

Phone = Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{5,20}$")]
_Group = Annotated[str, msgspec.Meta(pattern=r"^[0-9-]{5,40}@g\.us$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Z]{4,64}$")]
_Type: TypeAlias = Literal[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contact",
    "poll",
    "call",
    "ciphertext",
    "order",
    "edit",
    "revoke",
    "reaction",
]
# WhatsApp's type, where it has another word (source: WAWebMsgType).
_WHATSAPP_TYPES: Final = {
    "text": "chat",
    "contact": "vcard",
    "poll": "poll_creation",
    "call": "call_log",
}


class MediaBody(msgspec.Struct, forbid_unknown_fields=True):
    """A file, in base64."""

    data: str
    mime: str = "application/octet-stream"
    filename: str | None = None


class InboundBody(
    msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename={"from_": "from"}
):
    """The request. `message_id` is the message that an edit, a revoke or a reaction (`body`) is about.

    With the `whatsapp_id` of a `ciphertext`, its content comes.
    """

    from_: Phone
    to: Phone
    body: str = ""
    type: _Type = "text"
    reply_to: str | None = None
    whatsapp_id: _Id | None = None
    group: _Group | None = None
    name: str | None = None
    is_hidden: bool = False
    message_id: str | None = None
    caption: str | None = None
    media: MediaBody | None = None
    location: dict[str, float | str] | None = None
    contacts: list[dict[str, str]] = []
    poll: dict[str, str | list[str]] | None = None
    is_video: bool = False


def make_inbound(body: InboundBody) -> Inbound:
    """The event. Raises msgspec.ValidationError if the file is not base64, or if a message is not named."""
    if body.type in ("edit", "revoke", "reaction") and body.message_id is None:
        raise msgspec.ValidationError(
            f"message_id: needs the message that the {body.type} is about"
        )
    whatsapp_id = body.whatsapp_id or "3A" + secrets.token_hex(9).upper()
    return Inbound(
        from_=body.from_,
        to=body.to,
        whatsapp_id=whatsapp_id,
        body=_make_card(body) if body.type == "contact" else body.body,
        reply_to=body.reply_to,
        type=_WHATSAPP_TYPES.get(body.type, body.type),
        group=body.group,
        name=body.name,
        is_hidden=body.is_hidden,
        target=body.message_id,
        details=dict(_make_details(body, whatsapp_id)),
        file=body.media.data if body.media else None,
    )


def _make_details(body: InboundBody, whatsapp_id: str) -> Mapping[str, Any]:
    details: dict[str, Any] = {"caption": body.caption} if body.caption is not None else {}
    if body.media is not None:
        details |= _describe_file(body.media, whatsapp_id)
    if body.location is not None:
        place = body.location
        loc = "\n".join(str(place[name]) for name in ("name", "address") if name in place)
        details |= {"lat": place.get("latitude"), "lng": place.get("longitude"), "loc": loc}
    if body.poll is not None:
        options = [{"name": option, "localId": n} for n, option in enumerate(body.poll["options"])]
        details |= {"pollName": body.poll.get("question"), "pollOptions": options}
        details["pollSelectableOptionsCount"] = 1
    if body.type == "contact" and body.contacts:
        details["vcardFormattedName"] = body.contacts[0].get("name", "")
    if body.type == "call":
        details["isVideoCall"] = body.is_video
    return details


def _describe_file(media: MediaBody, whatsapp_id: str) -> dict[str, Any]:
    try:
        data = base64.b64decode(media.data, validate=True)
    except ValueError:
        raise msgspec.ValidationError("media.data: needs a file in base64") from None
    described = {
        "mimetype": media.mime,
        "size": len(data),
        "filehash": hashlib.sha256(data).hexdigest(),
        "directPath": f"/mms/download/{whatsapp_id}",
    }
    return described if media.filename is None else described | {"filename": media.filename}


def _make_card(body: InboundBody) -> str:
    contact = body.contacts[0] if body.contacts else {}
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{contact.get('name', '')}"]
    if "phone" in contact:
        lines.append(f"TEL;type=CELL:{contact['phone']}")
    return "\n".join([*lines, "END:VCARD"])
