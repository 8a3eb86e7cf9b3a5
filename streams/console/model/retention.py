"""What the read model no longer keeps: old messages, more than its bound, and what was forgotten. In a transaction.

A message that waits is never removed here, whatever its age: the console must show it.
"""

import sqlite3
from collections.abc import Mapping
from math import inf
from typing import NamedTuple

from streams.domain.forgetting import report_key

_MAX_SAMPLE_AGE_MINUTES = 24 * 60
_MAX_FORGOTTEN_AGE_S = 100 * 86_400.0  # longer than any topic remembers it
_OPEN = "('accepted', 'queued')"
_MAX_FORGOTTEN_RECIPIENTS = 2_000_000  # of one look: more would hold up the writer


class Forgotten(NamedTuple):
    """A recipient that was forgotten: the key of its report, the request, and the time (epoch seconds)."""

    key: bytes
    request_id: str
    at_s: float


def prune(
    connection: sqlite3.Connection,
    *,
    now_s: float,
    before_s: float,
    max_messages: int,
    max_received: int,
) -> None:
    """Remove what ended before this time, and the oldest of what is more than the bounds."""
    for table in ("minutes", "times"):
        connection.execute(f"DELETE FROM {table} WHERE minute < ?", (int(before_s // 60),))
    oldest_sample = int(now_s // 60) - _MAX_SAMPLE_AGE_MINUTES
    connection.execute("DELETE FROM samples WHERE minute < ?", (oldest_sample,))
    connection.execute("DELETE FROM forgotten WHERE at_s < ?", (now_s - _MAX_FORGOTTEN_AGE_S,))
    (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
    if count > max_messages:
        bound = connection.execute(
            f"SELECT at_s FROM messages WHERE status NOT IN {_OPEN} ORDER BY at_s LIMIT 1 OFFSET ?",
            (count - max_messages,),
        ).fetchone()
        before_s = max(before_s, bound[0] if bound is not None else inf)
    connection.execute(
        f"""DELETE FROM events WHERE at_s < ? AND NOT EXISTS (
            SELECT 1 FROM messages AS m WHERE m.recipient = events.recipient AND m.id = events.id
            AND (m.at_s >= ? OR m.status IN {_OPEN}))""",
        (before_s, before_s),
    )
    connection.execute(
        f"DELETE FROM messages WHERE at_s < ? AND status NOT IN {_OPEN}", (before_s,)
    )
    for table in ("received", "requests", "metadata"):
        connection.execute(f"DELETE FROM {table} WHERE at_s < ?", (before_s,))
    connection.execute("DELETE FROM alerts WHERE at_s < ? AND NOT is_raised", (before_s,))
    connection.execute(
        "DELETE FROM received WHERE rowid <= (SELECT max(rowid) - ? FROM received)", (max_received,)
    )


def remove_purged(connection: sqlite3.Connection, begin_offsets: Mapping[int, int]) -> None:
    """The topic of the dead letters has nothing before these offsets any more."""
    for partition, offset in begin_offsets.items():
        connection.execute(
            "DELETE FROM dead_letters WHERE partition = ? AND offset < ?", (partition, offset)
        )


def list_forgotten(connection: sqlite3.Connection) -> list[Forgotten]:
    """The recipients that were forgotten and may still be here."""
    rows = connection.execute("SELECT key, request_id, at_s FROM forgotten WHERE NOT is_applied")
    return [Forgotten(*row) for row in rows.fetchall()]


def remove_forgotten(
    connection: sqlite3.Connection, forgotten: Forgotten, *, is_last: bool
) -> None:
    """Remove what is here of this recipient. `is_last`: nothing older can come any more.

    It is named only by a hash, so the numbers that are here are tried out.
    """
    recipients = connection.execute(
        """SELECT recipient FROM messages UNION SELECT chat FROM received UNION SELECT recipient FROM requests
        UNION SELECT recipient FROM dead_letters WHERE recipient IS NOT NULL LIMIT ?""",
        (_MAX_FORGOTTEN_RECIPIENTS,),
    )
    key, request_id, at_s = forgotten
    for (recipient,) in recipients.fetchall():
        if report_key(request_id, recipient) == key:
            _remove(connection, recipient, at_s)
    if is_last:
        connection.execute("UPDATE forgotten SET is_applied = 1 WHERE key = ?", (key,))


def _remove(connection: sqlite3.Connection, recipient: str, at_s: float) -> None:
    """Remove what is older than this time."""
    bound = (recipient, at_s)
    for table in ("messages", "events", "dead_letters", "requests", "metadata"):
        connection.execute(f"DELETE FROM {table} WHERE recipient = ? AND at_s <= ?", bound)
    connection.execute("DELETE FROM received WHERE chat = ? AND at_s <= ?", bound)
