"""What the read model no longer keeps: old messages, more than its bound, and what was forgotten. In a transaction.

A message that waits is never removed here, whatever its age: the console must show it.
"""

import sqlite3
from collections.abc import Mapping
from math import inf

from streams.domain.forgetting import report_key

_OPEN = "('accepted', 'queued')"
_MAX_FORGOTTEN_RECIPIENTS = 2_000_000  # of one look: more would hold up the writer


def prune(
    connection: sqlite3.Connection, *, before_s: float, max_messages: int, max_received: int
) -> None:
    """Remove what ended before this time, and the oldest of what is more than the bounds."""
    connection.execute("DELETE FROM minutes WHERE minute < ?", (int(before_s // 60),))
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
    connection.execute("DELETE FROM received WHERE at_s < ?", (before_s,))
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


def remove_forgotten(connection: sqlite3.Connection) -> int:
    """Remove what is here of recipients that were forgotten; returns how many they were.

    A report names its recipient only by a hash, so the numbers that are here are tried out.
    """
    reports = connection.execute("SELECT key, request_id, at_s FROM forgotten").fetchall()
    if not reports:
        return 0
    recipients = connection.execute(
        """SELECT recipient FROM messages UNION SELECT chat FROM received
        UNION SELECT recipient FROM dead_letters WHERE recipient IS NOT NULL LIMIT ?""",
        (_MAX_FORGOTTEN_RECIPIENTS,),
    ).fetchall()
    removed = 0
    for (recipient,) in recipients:
        for key, request_id, at_s in reports:
            if report_key(request_id, recipient) == key:
                removed += _remove(connection, recipient, at_s)
    return removed


def _remove(connection: sqlite3.Connection, recipient: str, at_s: float) -> int:
    """Remove what is older than this time; 1 if there was something."""
    bound = (recipient, at_s)
    changed = [
        connection.execute("DELETE FROM messages WHERE recipient = ? AND at_s <= ?", bound),
        connection.execute("DELETE FROM events WHERE recipient = ? AND at_s <= ?", bound),
        connection.execute("DELETE FROM received WHERE chat = ? AND at_s <= ?", bound),
        connection.execute("DELETE FROM dead_letters WHERE recipient = ? AND at_s <= ?", bound),
    ]
    return int(any(cursor.rowcount > 0 for cursor in changed))
