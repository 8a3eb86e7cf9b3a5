"""The file of the webhooks: which events wait, which were given up, how far the topics are read. Decides nothing.

SQLite, because an event and the position behind it must be written together, each event has its own failures and its
own next time, and the commands of a person change the same rows from another process. A compacted topic has neither
transactions with positions nor a second writer. What the file holds can be read again: Kafka has the position of the
oldest event that is not done with (positions.py), so a lost file costs repeats, the pauses and what was given up, and
no event that waits. How long things are kept is in upkeep.py.

The methods block, so call them in a thread. Each one is a transaction. They raise `sqlite3.Error`.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from streams.domain.webhooks.conclusion import Conclusion, EndpointHealth, Failures
from streams.webhooks.payload import Event
from streams.webhooks.tables import INSERT_WAITING, TABLES, VERSION

_LOCK_TIMEOUT_S: Final = 10.0
_REMOVE_GIVEN_UP: Final = "DELETE FROM given_up WHERE at_s < ?"

FOLDER: Final = "webhooks"  # in the data folder
Position = tuple[str, int]  # topic and partition


def get_path(data_dir: Path) -> Path:
    """The file."""
    return data_dir / FOLDER / "webhooks.sqlite3"


class StoredEvent(NamedTuple):
    """An event with where it came from."""

    topic: str
    partition: int
    offset: int
    event: Event


class WaitingEvent(NamedTuple):
    """An event that waits, without its body."""

    number: int
    recipient: str
    due_s: float


class Delivery(NamedTuple):
    """What is needed to try an event once more."""

    webhook_id: str
    body: bytes
    failures: Failures


class EndpointRow(NamedTuple):
    """An endpoint as it stands. `revision` changes when a person has changed it."""

    health: EndpointHealth
    revision: int


class Store:
    """One file, for all endpoints. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            path, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        # After a power failure the last transactions may be missing, with their positions: they are read again.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._write(_create_tables)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _write(self, change: Callable[[sqlite3.Connection], Any]) -> Any:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = change(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # the error that led here says more
                    self._connection.execute("ROLLBACK")
                raise
        return result

    def _query(self, query: str, *values: object) -> list[Any]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    # -- positions

    def load_positions(self, endpoint: str, topic: str, topic_id: str) -> dict[int, int] | None:
        """The next offset of each partition; None: nothing is known of this topic, or it was another one."""
        rows = self._query(
            "SELECT partition, next_offset FROM positions WHERE endpoint = ? AND topic = ? AND topic_id = ?",
            endpoint,
            topic,
            topic_id,
        )
        return dict(rows) if rows else None

    def has_topic(self, endpoint: str, topic: str) -> bool:
        """Whether the endpoint has positions on a topic of this name, whichever it was."""
        query = "SELECT 1 FROM positions WHERE endpoint = ? AND topic = ? LIMIT 1"
        return bool(self._query(query, endpoint, topic))

    def add(
        self,
        endpoint: str,
        events: Iterable[StoredEvent],
        topic_id: str,
        positions: Mapping[Position, int],
        now_s: float,
    ) -> list[WaitingEvent]:
        """Take these events, and the positions behind what was read. Returns those that are new."""

        def change(connection: sqlite3.Connection) -> list[WaitingEvent]:
            added: list[WaitingEvent] = []
            for topic, partition, offset, event in events:
                number = connection.execute(
                    INSERT_WAITING,
                    (
                        endpoint,
                        event.id,
                        event.type,
                        event.recipient,
                        topic,
                        partition,
                        offset,
                        event.body,
                        now_s,
                    ),
                ).lastrowid
                assert number is not None
                added.append(WaitingEvent(number, event.recipient, now_s))
            connection.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?)",
                [
                    (endpoint, topic, partition, topic_id, offset)
                    for (topic, partition), offset in positions.items()
                ],
            )
            return added

        return self._write(change)

    def find_finished(self, endpoint: str) -> dict[Position, int]:
        """For each partition the offset before which every event is delivered or given up."""
        rows = self._query(
            "SELECT topic, partition, min(next_offset, coalesce((SELECT min(offset) FROM waiting w WHERE"
            " w.endpoint = p.endpoint AND w.topic = p.topic AND w.partition = p.partition), next_offset))"
            " FROM positions p WHERE endpoint = ?",
            endpoint,
        )
        return {(topic, partition): offset for topic, partition, offset in rows}

    # -- deliveries

    def list_waiting(self, endpoint: str) -> list[WaitingEvent]:
        """All that wait, in their order."""
        query = "SELECT number, recipient, due_s FROM waiting WHERE endpoint = ? ORDER BY number"
        return [WaitingEvent(*row) for row in self._query(query, endpoint)]

    def find_delivery(self, number: int) -> Delivery:
        """An event that waits."""
        query = "SELECT webhook_id, body, failures, first_failed_s FROM waiting WHERE number = ?"
        ((webhook_id, body, count, first_s),) = self._query(query, number)
        return Delivery(webhook_id, body, Failures(count=count, first_s=first_s))

    def load_endpoint(self, endpoint: str) -> EndpointRow:
        """The endpoint as it stands; a new one works."""
        rows = self._query(
            "SELECT paused, failures, failing_since_s, hold_until_s, revision FROM endpoints WHERE name = ?",
            endpoint,
        )
        if not rows:
            return EndpointRow(EndpointHealth(), 0)
        paused, count, first_s, hold_until_s, revision = rows[0]
        in_a_row = Failures(count=count, first_s=first_s)
        health = EndpointHealth(paused=paused, in_a_row=in_a_row, hold_until_s=hold_until_s)
        return EndpointRow(health, revision)

    def conclude(
        self,
        endpoint: str,
        number: int,
        conclusion: Conclusion,
        reason: str,
        revision: int,
        now_s: float,
    ) -> None:
        """Write what became of an event and of the endpoint. `reason`: why it was not delivered.

        The endpoint is left as it is if a person has changed it since this revision.
        """

        def change(connection: sqlite3.Connection) -> None:
            if conclusion.fate == "given_up":
                connection.execute(
                    "INSERT INTO given_up SELECT number, endpoint, webhook_id, type, recipient, topic, partition,"
                    " offset, body, ?, ?, ?, first_failed_s FROM waiting WHERE number = ?",
                    (now_s, conclusion.failures.count, reason, number),
                )
            if conclusion.fate == "waits":
                connection.execute(
                    "UPDATE waiting SET failures = ?, first_failed_s = ?, due_s = ?, reason = ? WHERE number = ?",
                    (
                        conclusion.failures.count,
                        conclusion.failures.first_s,
                        conclusion.next_at_s,
                        reason,
                        number,
                    ),
                )
            else:
                connection.execute("DELETE FROM waiting WHERE number = ?", (number,))
            _write_health(connection, endpoint, conclusion.health, reason, revision, now_s)

        self._write(change)

    def remove_given_up(self, before_s: float) -> None:
        """Remove the events that were given up before this time."""
        self._write(lambda connection: connection.execute(_REMOVE_GIVEN_UP, (before_s,)))

    def run_command(self, change: Callable[[sqlite3.Connection], Any]) -> Any:
        """Run a person's change (commands.py) as one transaction."""
        return self._write(change)


def _create_tables(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    elif version != VERSION:
        raise sqlite3.DatabaseError(f"the file has the tables of version {version}")


def _write_health(
    connection: sqlite3.Connection,
    name: str,
    health: EndpointHealth,
    reason: str,
    revision: int,
    now_s: float,
) -> None:
    connection.execute("INSERT OR IGNORE INTO endpoints (name) VALUES (?)", (name,))
    values: Sequence[object] = (
        health.in_a_row.count,
        health.in_a_row.first_s,
        health.hold_until_s,
        health.paused,
        now_s if health.paused else None,
        now_s if health.in_a_row.count == 0 else None,
        reason or None,
        name,
        revision,
    )
    connection.execute(
        "UPDATE endpoints SET failures = ?, failing_since_s = ?, hold_until_s = ?, paused = ?,"
        " paused_at_s = coalesce(paused_at_s, ?), delivered_at_s = coalesce(?, delivered_at_s), reason = ?"
        " WHERE name = ? AND revision = ?",
        values,
    )
