"""What the read model keeps of `wa.outbound`: the texts that were sent, for who may operate. In a transaction.

Files and what is longer than a page shows are left out: the topic has them, for as long as it keeps records.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import orjson

from streams.contract.errors import InvalidRequest, Tombstone
from streams.contract.request.kinds import Batch
from streams.contract.request.parse import AnyRequest, Request, parse_record
from streams.dispatch.batches.fan_out import split
from streams.domain.numbers import InvalidPhone
from streams.domain.phone.events import SourceRecord
from streams.domain.recipients import to_recipient
from streams.kafka.reader import Record

MAX_CONTENT_BYTES: Final = 16_384
_MAX_RECORD_BYTES: Final = 16 << 20


def apply_request(connection: sqlite3.Connection, record: Record, region: str | None) -> None:
    """Keep the content of each message that this record requests; another kind of request has none."""
    source = SourceRecord(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )
    for request, position in _read_messages(source):
        try:
            recipient = to_recipient(request.to, region)
        except InvalidPhone:
            continue  # it is rejected, and its dead letter has the record
        connection.execute(
            # Of several with one id, the first is sent, and the others are answered with its status.
            """INSERT INTO requests VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE
            SET at_s = excluded.at_s, content = excluded.content WHERE excluded.at_s < at_s""",
            (recipient, request.id or position, record.timestamp / 1000, _shorten(request)),
        )


def move_content(connection: sqlite3.Connection, old: str, recipient: str, id: str) -> None:
    """WhatsApp has the chat under another number. If both have a content, the first one counts here, too."""
    connection.execute(
        """UPDATE OR REPLACE requests SET recipient = ?1 WHERE recipient = ?2 AND id = ?3 AND NOT EXISTS
        (SELECT 1 FROM requests AS first WHERE recipient = ?1 AND id = ?3 AND first.at_s <= requests.at_s)""",
        (recipient, old, id),
    )
    connection.execute("DELETE FROM requests WHERE recipient = ? AND id = ?", (old, id))


def _read_messages(source: SourceRecord) -> Iterator[tuple[Request, str]]:
    request = _parse(source)
    if isinstance(request, Request):
        yield request, source.coordinates
    elif isinstance(request, Batch):
        for member in split(request, source):
            member_request = _parse(member)
            if isinstance(member_request, Request):
                yield member_request, member.coordinates


def _parse(source: SourceRecord) -> AnyRequest | None:
    try:
        return parse_record(
            source.value, source.headers, max_bytes=_MAX_RECORD_BYTES, key=source.key
        )
    except (InvalidRequest, Tombstone):
        return None


def _shorten(request: Request) -> bytes:
    content: dict[str, Any] = orjson.loads(request.content_json)
    if isinstance(content.get("data"), str):
        content["data"] = f"(a file of about {len(content['data']) * 3 // 4} bytes)"
    encoded = orjson.dumps(content)
    if len(encoded) <= MAX_CONTENT_BYTES:
        return encoded
    body = content.get("body")
    is_text = isinstance(body, str)
    return orjson.dumps(
        {"type": content.get("type"), "is_cut": True}
        | ({"body": body[: MAX_CONTENT_BYTES // 4]} if is_text and body is not None else {})
    )


def find_contents(
    connection: sqlite3.Connection, recipient: str, ids: list[str]
) -> dict[str, dict[str, Any]]:
    """The contents of these messages of a recipient, by id; of those that are known."""
    contents: dict[str, dict[str, Any]] = {}
    for id in ids:
        row = connection.execute(
            "SELECT content FROM requests WHERE recipient = ? AND id = ?", (recipient, id)
        ).fetchone()
        if row is not None:
            contents[id] = orjson.loads(row[0])
    return contents
