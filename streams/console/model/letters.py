"""What the pages read of dead letters: a filtered list, and one letter with its payload. Changes nothing."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import orjson

from streams.console.model.queries import Page, Row
from streams.operations.replays.results import describe_result

# The fields of a filter, each with its condition.
CONDITIONS: Final = {
    "to": "d.recipient = ?",
    "batch_id": "d.batch_id = ?",
    "reason": "d.reason = ?",
    "error_class": "d.error_class = ?",
    "account": "d.account = ?",
    "since_s": "d.at_s >= ?",
    "until_s": "d.at_s < ?",
}
# A replay that failed again has a later dead letter, which stands for both.
_NOT_REPLAYED: Final = (
    "NOT EXISTS (SELECT 1 FROM dead_letters AS later WHERE later.replay_of = d.id)"
)
_COLUMNS: Final = """d.id, d.at_s, d.request_id, d.recipient, d.batch_id, d.reason, d.error_class, d.account,
    d.outcome, d.message, d.attempts, d.replay_of, m.status AS message_status, m.accepted_at_s"""
# Its message may have been sent since, by a replay.
_MESSAGE: Final = "LEFT JOIN messages AS m ON m.recipient = d.recipient AND m.id = d.request_id"


def list_dead_letters(
    connection: sqlite3.Connection, conditions: Mapping[str, Any], limit: int, offset: int
) -> Page:
    """The dead letters that meet all conditions (see `CONDITIONS`), the newest first."""
    given = [(CONDITIONS[name], value) for name, value in conditions.items()]
    where = " AND ".join([_NOT_REPLAYED, *(condition for condition, _ in given)])
    rows = connection.execute(
        f"""SELECT {_COLUMNS} FROM dead_letters AS d {_MESSAGE} WHERE {where}
        ORDER BY d.at_s DESC LIMIT ? OFFSET ?""",
        (*(value for _, value in given), limit + 1, offset),
    ).fetchall()
    return Page([_add_result(dict(row)) for row in rows[:limit]], len(rows) > limit)


def find_dead_letter(connection: sqlite3.Connection, id: str) -> Row | None:
    """This dead letter, with its original record as text, as much of it as is kept here."""
    row = connection.execute(
        f"""SELECT {_COLUMNS}, d.partition, d.offset, d.headers, d.payload, d.payload_bytes,
            (SELECT later.id FROM dead_letters AS later WHERE later.replay_of = d.id) AS replaced_by
        FROM dead_letters AS d {_MESSAGE} WHERE d.id = ?""",
        (id,),
    ).fetchone()
    if row is None:
        return None
    letter = _add_result(dict(row))
    payload: bytes = letter["payload"] or b""
    return letter | {
        "headers": orjson.loads(letter["headers"]),
        "payload": _format_payload(payload),
        "is_cut": letter["payload_bytes"] > len(payload),
    }


def _add_result(letter: Row) -> Row:
    """What became of it since; nothing is said of a message that is not known here (any more)."""
    status, accepted_at_s = letter["message_status"], letter["accepted_at_s"]
    result = describe_result(
        status,
        is_accepted=accepted_at_s is not None and accepted_at_s > letter["at_s"],
        is_dead_again=letter.get("replaced_by") is not None,
    )
    return letter | {"afterwards": result if status or letter.get("replaced_by") else ""}


def _format_payload(payload: bytes) -> str:
    """JSON with line breaks, or the text as it is."""
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return payload.decode(errors="replace")
