"""What a linked client must do, each judged by the sandbox's log. The link itself is in sessions.py.

A judge returns when the client did it, and raises Missed with the reason when not.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.peers.peer import OTHER, RECIPIENT, STRANGER, Peer, Row, bare_id
from tests.peers.process import Missed

Judge = Callable[[Peer], Awaitable[None]]

_VCARD = "BEGIN:VCARD\nVERSION:3.0\nFN:Nur Aisyah\nTEL;type=CELL;waid=60123456780:+60123456780\nEND:VCARD"


async def _send_and_judge(
    peer: Peer, kind: str, expected_type: str, expected: dict[str, Any], **fields: Any
) -> str:
    """Send, and require one message in the log with these values. Returns the client's id of it."""
    after_seq = await peer.last_seq()
    message_id = await peer.send(kind, **fields)
    row = await peer.wait_log(
        after_seq, _is_message(expected_type), f"message of type {expected_type}"
    )
    actual = {**row, **row["details"]}
    expected = {"to": RECIPIENT, "is_broken": None, **expected}
    wrong = {
        name: actual.get(name) for name, value in expected.items() if actual.get(name) != value
    }
    if wrong:
        raise Missed(f"the recipient received {wrong}, not {expected}")
    if bare_id(message_id) != row["whatsapp_id"]:
        raise Missed(f"the client names the id {message_id}, the log has {row['whatsapp_id']}")
    return message_id


def _is_message(type_: str) -> Callable[[Row], bool]:
    return lambda row: row["event"] == "message" and row["type"] == type_ and row["shown"]


def _judge_text(text: str) -> Judge:
    async def judge(peer: Peer) -> None:
        await _send_and_judge(peer, "text", "text", {"body": text}, text=text)

    return judge


async def _mention(peer: Peer) -> None:
    other = OTHER.removeprefix("+")
    after_seq = await peer.last_seq()
    await peer.send("mention", text=f"for @{other}", mentioned=other)
    row = await peer.wait_log(after_seq, _is_message("text"), "message of type text")
    if len(row["details"].get("mentioned", [])) != 1:
        raise Missed(f"the recipient sees no mention: {row['details']}")


async def _reply(peer: Peer) -> None:
    first_id = await peer.send("text", text="first")
    expected = {"body": "second", "reply_to": bare_id(first_id)}
    await _send_and_judge(peer, "reply", "text", expected, text="second", quoted=first_id)


async def _location(peer: Peer) -> None:
    place = {"lat": 3.139, "lng": 101.6869}
    await _send_and_judge(peer, "location", "location", place, **place, name="Kuala Lumpur")


async def _contact(peer: Peer) -> None:
    other = OTHER.removeprefix("+")
    after_seq = await peer.last_seq()
    await peer.send("contact", contact=other, name="Nur Aisyah")
    row = await peer.wait_log(after_seq, _is_message("contact"), "contact")
    if f"waid={other}:" not in row["body"]:
        raise Missed(f"the recipient cannot write to the contact: {row['body']!r}")


async def _vcard(peer: Peer) -> None:
    expected = {"vcardFormattedName": "Nur Aisyah", "body": _VCARD}
    await _send_and_judge(peer, "vcard", "contact", expected, vcard=_VCARD)


async def _poll(peer: Peer) -> None:
    expected = {"pollName": "Tea?"}
    after_seq = await peer.last_seq()
    await _send_and_judge(peer, "poll", "poll", expected, name="Tea?", options=["Yes", "No"])
    row = await peer.wait_log(after_seq, _is_message("poll"), "poll")
    if [option["name"] for option in row["details"]["pollOptions"]] != ["Yes", "No"]:
        raise Missed(f"the recipient can choose {row['details']['pollOptions']}")


async def _reaction(peer: Peer) -> None:
    message_id = await peer.send("text", text="react to this")
    after_seq = await peer.last_seq()
    await peer.call("react", id=message_id, emoji="👍")
    row = await peer.wait_log(after_seq, _is_message("reaction"), "reaction")
    if row["body"] != "👍":
        raise Missed(f"the reaction is {row['body']!r}")


def _judge_file(
    kind: str, expected_type: str, caption: str | None = None, is_voice: bool = False
) -> Judge:
    async def judge(peer: Peer) -> None:
        sample = peer.samples[kind]
        expected: dict[str, Any] = {"body": caption} if caption else {}
        if kind == "document":  # of the other kinds, a client may make another file
            expected["size"] = sample.path.stat().st_size
        if is_voice:
            expected["voice"] = True
        fields = {**sample.fields(), "caption": caption or "", "filename": sample.path.name}
        await _send_and_judge(peer, kind, expected_type, expected, **fields)

    return judge


async def _edit(peer: Peer) -> None:
    message_id = await peer.send("text", text="before")
    after_seq = await peer.last_seq()
    await peer.call("edit", id=message_id, text="after")
    row = await peer.wait_log(after_seq, _is_message("edit"), "edit")
    if (row["body"], row["details"]["target"]) != ("after", bare_id(message_id)):
        raise Missed(f"the recipient sees the edit {row['body']!r} of {row['details']['target']}")


async def _revoke(peer: Peer) -> None:
    message_id = await peer.send("text", text="to be deleted")
    after_seq = await peer.last_seq()
    await peer.call("revoke", id=message_id, to=RECIPIENT.removeprefix("+"))
    row = await peer.wait_log(after_seq, _is_message("revoke"), "deletion")
    if row["details"]["target"] != bare_id(message_id):
        raise Missed(f"the recipient loses {row['details']['target']}, not {message_id}")


async def _forward(peer: Peer) -> None:
    message_id = await peer.send("text", text="to be forwarded")
    after_seq = await peer.last_seq()
    await peer.call("forward", id=message_id, to=OTHER.removeprefix("+"))
    await peer.wait_log(
        after_seq,
        lambda row: row.get("to") == OTHER and row.get("body") == "to be forwarded",
        "forwarded message",
    )


def _judge_ack(level: int) -> Judge:
    async def judge(peer: Peer) -> None:
        message_id = await peer.send("text", text=f"for ack {level}")
        if level == 3:
            await peer.control.read_messages(RECIPIENT, peer.number)
        await peer.driver.wait_event(
            "ack", lambda event: event["id"] == bare_id(message_id) and event["ack"] == level
        )

    return judge


async def _receive(peer: Peer) -> None:
    await peer.control.write_to_account(RECIPIENT, peer.number, "good morning")
    await peer.driver.wait_event("message", lambda event: event["body"] == "good morning")


async def _receive_reply(peer: Peer) -> None:
    message_id = await peer.send("text", text="a question")
    whatsapp_id = bare_id(message_id)
    await peer.control.write_to_account(RECIPIENT, peer.number, "an answer", reply_to=whatsapp_id)
    event = await peer.driver.wait_event("message", lambda event: event["body"] == "an answer")
    if event["quoted"] not in ("a question", whatsapp_id):
        raise Missed(f"the client says that the answer quotes {event['quoted']!r}")


async def _reply_to_received(peer: Peer) -> None:
    whatsapp_id = await peer.control.write_to_account(RECIPIENT, peer.number, "call me")
    event = await peer.driver.wait_event("message", lambda event: event["body"] == "call me")
    expected = {"body": "I will", "reply_to": whatsapp_id}
    await _send_and_judge(peer, "reply", "text", expected, text="I will", quoted=event["id"])


async def _look_up(peer: Peer) -> None:
    await peer.control.set_numbers({STRANGER: {"on_whatsapp": False}})
    for number, is_expected in ((RECIPIENT, True), (STRANGER, False)):
        answer = await peer.call("is_on_whatsapp", number=number.removeprefix("+"))
        if answer is not is_expected:
            raise Missed(f"the client answers {answer!r} for {number}")


async def _message_by_id(peer: Peer) -> None:
    message_id = await peer.send("text", text="to be looked up")
    body = await peer.call("message_body", id=message_id)
    if body != "to be looked up":
        raise Missed(f"the client finds {body!r} under the id")


JUDGES: dict[str, Judge] = {
    "text": _judge_text("good morning"),
    "text_unicode": _judge_text("नमस्ते 👋🏽\nsecond line *bold*"),
    "text_link": _judge_text("see https://example.org/offer"),
    "mention": _mention,
    "reply": _reply,
    "location": _location,
    "contact": _contact,
    "vcard": _vcard,
    "poll": _poll,
    "reaction": _reaction,
    "image": _judge_file("image", "image"),
    "image_caption": _judge_file("image", "image", caption="the market"),
    "document": _judge_file("document", "document"),
    "audio": _judge_file("audio", "audio"),
    "voice": _judge_file("voice", "audio", is_voice=True),
    "video": _judge_file("video", "video", caption="the harbour"),
    "sticker": _judge_file("sticker", "sticker"),
    "edit": _edit,
    "revoke": _revoke,
    "forward": _forward,
    "ack_server": _judge_ack(1),
    "ack_delivered": _judge_ack(2),
    "ack_read": _judge_ack(3),
    "receive": _receive,
    "receive_reply": _receive_reply,
    "reply_to_received": _reply_to_received,
    "look_up": _look_up,
    "message_by_id": _message_by_id,
}
