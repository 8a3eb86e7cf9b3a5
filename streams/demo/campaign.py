"""The second half of the demo: a campaign with a template, an opt-out, a scheduled message and a cancel. Data only."""

from typing import Any, Final

import orjson

from streams.demo.script import DemoRequest

BATCH_ID: Final = "demo-campaign"
CAMPAIGN_PHONES: Final = tuple(f"+601155500{number:03}" for number in range(201, 213))
SCHEDULED_PHONE: Final = "+601155500301"
CANCELLED_PHONE: Final = "+601155500302"
OPTED_OUT_PHONE: Final = "+601155500303"
SCHEDULED_IN_S: Final = 6.0
OPTED_OUT: Final = "recipient_opted_out"

TEMPLATE: Final[dict[str, Any]] = {
    "name": "parcel_ready",
    "language": "en",
    "category": "transactional",
    "content": {
        "type": "text",
        "body": "Hello {{ name }}, your parcel {{ parcel }} can be collected",
    },
}
_NAMES: Final = (
    "Aisyah",
    "Ben",
    "Chitra",
    "Daniel",
    "Elif",
    "Farid",
    "Grace",
    "Hana",
    "Ivan",
    "Joon",
    "Kavitha",
    "Lim",
)


def build_members() -> list[DemoRequest]:
    """One message to each phone of the campaign, from the template."""
    return [
        DemoRequest(
            f"{BATCH_ID}/{number}",
            phone,
            _encode_member(phone, name, number),
            kind="text",
            expected_text=f"Hello {name}, your parcel {number + 1} can be collected",
        )
        for number, (phone, name) in enumerate(zip(CAMPAIGN_PHONES, _NAMES, strict=True))
    ]


def _encode_member(phone: str, name: str, number: int) -> bytes:
    params = {"name": name, "parcel": str(number + 1)}
    content = {"type": "template", "name": TEMPLATE["name"], "language": "en", "params": params}
    return orjson.dumps({"to": phone, "content": content})


def encode_batch(members: list[DemoRequest]) -> bytes:
    """The record of the batch."""
    messages = [orjson.loads(member.value) for member in members]
    return orjson.dumps({"type": "batch", "batch_id": BATCH_ID, "messages": messages})


def build_scheduled_request(send_at: str, send_at_s: float) -> DemoRequest:
    """A message that must not be sent before this time: as RFC 3339, and as epoch seconds."""
    return _build_text(
        SCHEDULED_PHONE, "scheduled", "It is time", send_at=send_at, not_before_s=send_at_s
    )


def build_cancelled_request(send_at: str) -> DemoRequest:
    """A message that is withdrawn while it waits for its time."""
    return _build_text(
        CANCELLED_PHONE, "withdrawn", "Never mind", send_at=send_at, expected_status="cancelled"
    )


def encode_cancel(request: DemoRequest) -> bytes:
    """The request that withdraws another one."""
    return orjson.dumps({"type": "cancel", "to": request.to, "id": request.id})


def build_unwanted_request() -> DemoRequest:
    """Marketing for somebody who wrote STOP."""
    return _build_text(
        OPTED_OUT_PHONE,
        "unwanted",
        "Half price today",
        category="marketing",
        expected_status="rejected",
        code=OPTED_OUT,
    )


def _build_text(
    phone: str,
    name: str,
    text: str,
    *,
    expected_status: str = "sent",
    code: str | None = None,
    not_before_s: float = 0.0,
    **fields: str,
) -> DemoRequest:
    id = f"demo-{phone[-3:]}-{name}"
    content = {"type": "text", "body": text}
    value = orjson.dumps({"id": id, "to": phone, "content": content, **fields})
    return DemoRequest(
        id,
        phone,
        value,
        expected_status,
        code,
        kind="text",
        expected_text=text,
        not_before_s=not_before_s,
    )
