"""Messages to the account, for tests of what is done with them.

No test may depend on a value that it does not give.
"""

from typing import Any

from streams.whatsapp.incoming import IncomingMessage

WRITER = "+60120000009"


def make_incoming(
    whatsapp_id: str, *, phone: str | None = WRITER, chat: str = "", **fields: Any
) -> IncomingMessage:
    """A text in the chat with this phone, or in this chat. The driver's store gives it its number.

    `fields` are those of `IncomingMessage`.
    """
    chat_id = chat or f"{(phone or '+1').removeprefix('+')}@c.us"
    values: dict[str, Any] = {
        "type": "text",
        "at_s": 1000.0,
        "content": {"body": "hello"},
        **fields,
    }
    group = chat_id if chat_id.endswith("@g.us") else None
    key = f"false_{chat_id}_{whatsapp_id}"
    return IncomingMessage(
        row=0, key=key, chat_id=chat_id, whatsapp_id=whatsapp_id, phone=phone, group=group, **values
    )
