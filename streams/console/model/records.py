"""What each record of a topic changes in the read model. Called in a transaction; a record twice changes nothing.

A record that cannot be read is skipped: it is another program's.
"""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import orjson

from streams.console.model.measurements import apply_sample, count_time
from streams.console.model.requests import apply_request, move_content
from streams.contract import batch, dead_letter, inbound, replay, status
from streams.contract.alerts import record as alerts
from streams.contract.dead_letter import DeadLetter, InvalidDeadLetter
from streams.contract.headers import get_text
from streams.contract.status import NO_RECIPIENT, StatusEvent
from streams.contract.timestamps import parse_rfc3339
from streams.domain import forgetting
from streams.domain.forgetting import ForgetAnswer, ForgetInstruction
from streams.kafka.reader import Record
from streams.operations.selection import read_addressee

MAX_PAYLOAD_BYTES: Final = 16_384  # of a dead letter; the topic has all of it
_MAX_METADATA_FIELDS: Final = 20  # of a message, that can be searched for
_MAX_METADATA_CHARACTERS: Final = 200
_SKIPPED_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, InvalidDeadLetter, ValueError)

Apply = Callable[[sqlite3.Connection, Record, str | None], None]


def apply_record(
    connection: sqlite3.Connection, name: str, record: Record, region: str | None
) -> None:
    """A record of the topic `name` (without the prefix). `region` is for numbers without a country."""
    try:
        _APPLY[name](connection, record, region)
    except _SKIPPED_ERRORS:
        return  # it is counted by nobody: what wrote it is not wa-streams


def _apply_status(connection: sqlite3.Connection, record: Record, _: str | None) -> None:
    event = status.decode(record.value or b"")
    at_s, recipient = parse_rfc3339(event.at), event.to or NO_RECIPIENT
    added = connection.execute(
        "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)",
        (event.event_id, recipient, event.id, at_s, record.value),
    )
    if not added.rowcount:
        return  # a repeat: a later status may have followed
    if event.requested_to is not None and event.requested_to != event.to:
        _move_message(connection, event.requested_to, recipient, event.id)
    _put_message(connection, event, recipient, at_s)
    _put_metadata(connection, event, recipient, at_s)
    connection.execute(
        "INSERT INTO minutes VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
        (int(at_s // 60), event.status),
    )


def _move_message(connection: sqlite3.Connection, old: str, recipient: str, id: str) -> None:
    """WhatsApp has the chat under another number: the message is one message."""
    key = (recipient, old, id)
    connection.execute("UPDATE events SET recipient = ? WHERE recipient = ? AND id = ?", key)
    for table in ("messages", "metadata"):
        connection.execute(
            f"UPDATE OR REPLACE {table} SET recipient = ? WHERE recipient = ? AND id = ?", key
        )
    move_content(connection, old, recipient, id)


def _put_message(
    connection: sqlite3.Connection, event: StatusEvent, recipient: str, at_s: float
) -> None:
    connection.execute(
        """INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT DO UPDATE SET status = ?3, at_s = ?4, accepted_at_s = coalesce(?5, accepted_at_s),
            account = coalesce(?6, account), whatsapp_id = coalesce(?7, whatsapp_id),
            batch_id = coalesce(?8, batch_id), reason = ?9, due_at = ?10, error_code = ?11,
            attempt = coalesce(?12, attempt)""",
        (
            recipient,
            event.id,
            event.status,
            at_s,
            at_s if event.status == "accepted" else None,
            event.account,
            event.whatsapp_id,
            event.batch_id,
            event.reason,
            event.due_at,
            event.error and event.error.code,
            event.attempt,
        ),
    )

    if event.status == "sent":
        _count_time(connection, recipient, event.id, at_s)


def _count_time(connection: sqlite3.Connection, recipient: str, id: str, sent_at_s: float) -> None:
    row = connection.execute(
        "SELECT accepted_at_s FROM messages WHERE recipient = ? AND id = ?", (recipient, id)
    ).fetchone()
    if row is not None and row[0] is not None:
        count_time(connection, int(sent_at_s // 60), sent_at_s - row[0])


def _put_metadata(
    connection: sqlite3.Connection, event: StatusEvent, recipient: str, at_s: float
) -> None:
    """The first fields, to be searched for: those with a short text or a number."""
    if event.status not in ("accepted", "rejected") or not event.metadata:
        return
    found = [
        (str(value), name)
        for name, value in event.metadata.items()
        if isinstance(value, str | int | float) and len(str(value)) <= _MAX_METADATA_CHARACTERS
    ]
    connection.executemany(
        "INSERT OR REPLACE INTO metadata VALUES (?, ?, ?, ?, ?)",
        [(value, name, recipient, event.id, at_s) for value, name in found[:_MAX_METADATA_FIELDS]],
    )


def _apply_dead_letter(connection: sqlite3.Connection, record: Record, region: str | None) -> None:
    letter = dead_letter.parse(record.key, record.value, record.headers)
    info, addressee = letter.info, read_addressee(letter, region)
    value = letter.value or b""
    connection.execute(
        "INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            info.id,
            record.partition,
            record.offset,
            parse_rfc3339(info.last_failed_at),
            info.request_id,
            addressee.to,
            addressee.batch_id,
            info.reason,
            info.error_class,
            info.account,
            info.outcome,
            info.message,
            info.attempts,
            get_text(letter.headers, replay.REPLAY_OF),
            _encode_headers(letter),
            value[:MAX_PAYLOAD_BYTES],
            info.full_value_size or len(value),
        ),
    )


def _encode_headers(letter: DeadLetter) -> bytes:
    """The original headers, as pairs of texts."""
    return orjson.dumps(
        [
            [name.encode(errors="replace").decode(), (value or b"").decode(errors="replace")]
            for name, value in letter.headers
        ]
    )


def _apply_received(connection: sqlite3.Connection, record: Record, _: str | None) -> None:
    message = inbound.decode(record.value or b"")
    connection.execute(
        "INSERT OR IGNORE INTO received VALUES (?, ?, ?, ?)",
        (message.event_id, message.key, parse_rfc3339(message.at), record.value),
    )


def _apply_batch(connection: sqlite3.Connection, record: Record, _: str | None) -> None:
    if record.value is None:
        key = (record.key or b"").decode()
        connection.execute("DELETE FROM batches WHERE batch_id = ?", (key,))
        return
    progress = batch.decode(record.value)
    connection.execute(
        "INSERT OR REPLACE INTO batches VALUES (?, ?, ?)",
        (progress.batch_id, parse_rfc3339(progress.started_at), record.value),
    )


def _apply_alert(connection: sqlite3.Connection, record: Record, _: str | None) -> None:
    alert = alerts.decode(record.value or b"")
    key = alerts.make_event_id(
        alert.alert, alert.labels, "", "raised"
    )  # of the alert, not of a fact
    is_raised, at_s = alert.state == "raised", parse_rfc3339(alert.at)
    connection.execute(
        """INSERT INTO alerts VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
        SET is_raised = ?2, at_s = ?3, document = ?4 WHERE at_s <= ?3""",
        (key, is_raised, at_s, record.value),
    )


def _apply_forget(connection: sqlite3.Connection, record: Record, _: str | None) -> None:
    """A recipient was forgotten: which one, only its number tells (retention.py).

    The report is on the topic for an hour, and what an account was told and has answered for three months. So a file
    that is built again learns of it too. A tombstone takes nothing back.
    """
    key, at_s = record.key or b"", record.timestamp / 1000
    report = forgetting.decode(key, record.value or b"")
    if report is None:
        return
    if isinstance(report, ForgetAnswer):
        at_s = report.requested_at_s or at_s
    if isinstance(report, ForgetInstruction):
        key = forgetting.report_key(report.request_id, report.phone)
    elif isinstance(report, ForgetAnswer):
        key = forgetting.to_report_key(key)
    connection.execute(
        """INSERT INTO forgotten VALUES (?1, ?2, ?3, 0) ON CONFLICT DO UPDATE
        SET at_s = ?3, is_applied = 0 WHERE at_s < ?3""",
        (key, report.request_id, at_s),
    )


_APPLY: Final[Mapping[str, Apply]] = {
    "status": _apply_status,
    "dlq": _apply_dead_letter,
    "inbound": _apply_received,
    "batches": _apply_batch,
    "alerts": _apply_alert,
    "forget": _apply_forget,
    "outbound": apply_request,
    "samples": apply_sample,
}
TOPICS: Final = tuple(_APPLY)
