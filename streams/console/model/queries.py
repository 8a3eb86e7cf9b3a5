"""What the pages and the API read: each function is one page's question, answered by an index. Changes nothing.

Every result is bounded by a limit.
"""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import orjson

_OPEN: Final = "status IN ('accepted', 'queued')"
_WITHOUT_REASON: Final = "in_turn"  # as `wa-streams queue` names it

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page, and whether there are more."""

    rows: list[Row]
    has_more: bool


def _fetch(connection: sqlite3.Connection, sql: str, parameters: Any = ()) -> list[Row]:
    return [dict(row) for row in connection.execute(sql, parameters)]


def _fetch_page(
    connection: sqlite3.Connection, sql: str, parameters: tuple[Any, ...], limit: int, offset: int
) -> Page:
    rows = _fetch(connection, f"{sql} LIMIT ? OFFSET ?", (*parameters, limit + 1, offset))
    return Page(rows[:limit], len(rows) > limit)


# -- overview and queue


def count_by_minute(connection: sqlite3.Connection, since_minute: int) -> dict[int, dict[str, int]]:
    """How many events of each status there were in each minute since then."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    rows = connection.execute("SELECT * FROM minutes WHERE minute >= ?", (since_minute,))
    for minute, status, count in rows:
        counts[minute][status] = count
    return counts


def count_waiting(connection: sqlite3.Connection) -> dict[str, int]:
    """How many messages wait, by reason."""
    rows = connection.execute(
        f"SELECT coalesce(reason, ?), count(*) FROM messages WHERE {_OPEN} GROUP BY 1 ORDER BY 2 DESC",
        (_WITHOUT_REASON,),
    )
    return dict(rows.fetchall())


def count_dead_letters(connection: sqlite3.Connection) -> int:
    """How many there are whose replay has not failed again."""
    (count,) = connection.execute(
        """SELECT count(*) FROM dead_letters AS d
        WHERE NOT EXISTS (SELECT 1 FROM dead_letters AS later WHERE later.replay_of = d.id)"""
    ).fetchone()
    return count


def list_alerts(connection: sqlite3.Connection, limit: int = 100) -> list[Row]:
    """The alerts that are raised, the critical ones first."""
    rows = connection.execute(
        "SELECT document FROM alerts WHERE is_raised ORDER BY at_s DESC LIMIT ?", (limit,)
    )
    documents = [orjson.loads(document) for (document,) in rows]
    return sorted(documents, key=lambda alert: alert["severity"] != "critical")


def list_waiting_recipients(connection: sqlite3.Connection, limit: int, offset: int) -> Page:
    """Whom something waits for: how much, since when, and why the oldest one waits."""
    return _fetch_page(
        connection,
        f"""SELECT recipient, count(*) AS waiting, min(coalesce(accepted_at_s, at_s)) AS oldest_s,
            due_at, coalesce(reason, ?) AS reason, account  -- of the oldest: SQLite takes them from its row
        FROM messages WHERE {_OPEN} GROUP BY recipient ORDER BY oldest_s""",
        (_WITHOUT_REASON,),
        limit,
        offset,
    )


def list_waiting(connection: sqlite3.Connection, recipient: str, limit: int, offset: int) -> Page:
    """What waits for this recipient, in the order of its acceptance."""
    return _fetch_page(
        connection,
        f"""SELECT *, coalesce(reason, ?) AS reason FROM messages WHERE recipient = ? AND {_OPEN}
        ORDER BY coalesce(accepted_at_s, at_s)""",
        (_WITHOUT_REASON, recipient),
        limit,
        offset,
    )


# -- one message, one recipient


def find_message(connection: sqlite3.Connection, recipient: str, id: str) -> Row | None:
    """The message of this recipient with this id."""
    rows = _fetch(
        connection, "SELECT * FROM messages WHERE recipient = ? AND id = ?", (recipient, id)
    )
    return rows[0] if rows else None


def list_events(
    connection: sqlite3.Connection, recipient: str, id: str, limit: int = 500
) -> list[Row]:
    """The status events of a message, in the order in which they were published."""
    rows = connection.execute(
        "SELECT document FROM events WHERE recipient = ? AND id = ? ORDER BY rowid LIMIT ?",
        (recipient, id, limit),
    )
    return [orjson.loads(document) for (document,) in rows]


def search(connection: sqlite3.Connection, text: str, recipient: str, limit: int) -> list[Row]:
    """The messages with this text as id, batch id or WhatsApp id, and the last ones to this recipient."""
    found: dict[tuple[str, str], Row] = {}
    for column, value in (
        ("id", text),
        ("whatsapp_id", text),
        ("batch_id", text),
        ("recipient", recipient),
    ):
        rows = _fetch(
            connection,
            f"SELECT * FROM messages WHERE {column} = ? ORDER BY at_s DESC LIMIT ?",
            (value, limit),
        )
        for row in rows:
            found.setdefault((row["recipient"], row["id"]), row)
    return list(found.values())[:limit]


def search_metadata(connection: sqlite3.Connection, text: str, limit: int) -> list[Row]:
    """The messages with this value in their metadata; `name=value` looks in one field only."""
    name, separator, value = text.partition("=")
    condition, values = (
        ("d.value = ? AND d.name = ?", (value, name)) if separator else ("d.value = ?", (text,))
    )
    return _fetch(
        connection,
        f"""SELECT m.* FROM metadata AS d JOIN messages AS m ON m.recipient = d.recipient AND m.id = d.id
        WHERE {condition} ORDER BY m.at_s DESC LIMIT ?""",
        (*values, limit),
    )


def count_recipient(connection: sqlite3.Connection, recipient: str) -> dict[str, int]:
    """How much is here of this recipient."""
    counts = {
        "messages": "SELECT count(*) FROM messages WHERE recipient = ?",
        "waiting": f"SELECT count(*) FROM messages WHERE recipient = ? AND {_OPEN}",
        "received": "SELECT count(*) FROM received WHERE chat = ?",
        "dead_letters": "SELECT count(*) FROM dead_letters WHERE recipient = ?",
    }
    return {
        name: connection.execute(sql, (recipient,)).fetchone()[0] for name, sql in counts.items()
    }


def list_conversation(connection: sqlite3.Connection, recipient: str, limit: int) -> list[Row]:
    """The last messages to and from this recipient, the newest first."""
    sent = _fetch(
        connection,
        """SELECT *, coalesce(accepted_at_s, at_s) AS time_s, 'out' AS direction FROM messages
        WHERE recipient = ? ORDER BY time_s DESC LIMIT ?""",
        (recipient, limit),
    )
    received = [
        orjson.loads(row["document"]) | {"time_s": row["at_s"], "direction": "in"}
        for row in _fetch(
            connection,
            "SELECT at_s, document FROM received WHERE chat = ? ORDER BY at_s DESC LIMIT ?",
            (recipient, limit),
        )
    ]
    return sorted([*sent, *received], key=lambda row: row["time_s"], reverse=True)[:limit]


# -- batches


def list_batches(connection: sqlite3.Connection, limit: int, offset: int) -> Page:
    """The batches, the newest first."""
    page = _fetch_page(
        connection,
        "SELECT document FROM batches ORDER BY started_at_s DESC",
        (),
        limit,
        offset,
    )
    return Page([orjson.loads(row["document"]) for row in page.rows], page.has_more)


def find_batch(connection: sqlite3.Connection, batch_id: str) -> Row | None:
    """The progress of this batch."""
    row = connection.execute(
        "SELECT document FROM batches WHERE batch_id = ?", (batch_id,)
    ).fetchone()
    return None if row is None else orjson.loads(row[0])


def list_batch_messages(
    connection: sqlite3.Connection, batch_id: str, limit: int, offset: int
) -> Page:
    """The messages of a batch, by id."""
    return _fetch_page(
        connection,
        "SELECT * FROM messages WHERE batch_id = ? ORDER BY id",
        (batch_id,),
        limit,
        offset,
    )
