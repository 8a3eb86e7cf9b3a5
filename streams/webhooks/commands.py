"""What a person does with the endpoints: look, pause, resume, retry what was given up, send a test.

All but the test only read or change the file. The running process sees a change within a second, by the endpoint's
`revision`.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec

from streams.contract.timestamps import format_rfc3339
from streams.domain.webhooks.conclusion import Answer
from streams.settings import Settings
from streams.webhooks.client import EndpointClient
from streams.webhooks.endpoints import Endpoint
from streams.webhooks.payload import build_headers, make_test_event
from streams.webhooks.store import Store, get_path
from streams.webhooks.tables import GIVEN_UP_KEPT_S, INSERT_WAITING

Change = Callable[[sqlite3.Connection], Any]


class EndpointReport(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint stands. Times are RFC 3339."""

    name: str
    state: str  # works, failing, paused
    paused: str | None  # why
    paused_at: str | None
    failures: int  # since it took an event
    reason: str | None  # of the last failure
    delivered_at: str | None
    waiting: int
    oldest: str | None  # since when the oldest one waits
    given_up: int


class GivenUpEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was given up. Without its body, which may hold a text."""

    number: int
    endpoint: str
    webhook_id: str
    type: str
    recipient: str
    at: str
    failures: int
    reason: str


def run(settings: Settings, change: Change) -> Any:
    """Run a change or a query as one transaction on the file of this data folder, which is created if need be.

    Raises:
        sqlite3.Error: the file cannot be used.
    """
    with closing(Store(get_path(settings.data_dir))) as store:
        return store.run_command(change)


def report(connection: sqlite3.Connection, name: str, now_s: float) -> EndpointReport:
    """The state of one endpoint at this time (epoch)."""
    row = connection.execute(
        "SELECT paused, paused_at_s, failures, reason, delivered_at_s FROM endpoints WHERE name = ?",
        (name,),
    ).fetchone() or (None, None, 0, None, None)
    paused, paused_at_s, failures, reason, delivered_at_s = row
    waiting, first = connection.execute(
        "SELECT count(*), min(number) FROM waiting WHERE endpoint = ?", (name,)
    ).fetchone()
    oldest = connection.execute(
        "SELECT coalesce(nullif(first_failed_s, 0), due_s) FROM waiting WHERE number = ?", (first,)
    ).fetchone()
    (given_up,) = connection.execute(
        "SELECT count(*) FROM given_up WHERE endpoint = ? AND at_s >= ?",
        (name, now_s - GIVEN_UP_KEPT_S),
    ).fetchone()
    return EndpointReport(
        name=name,
        state="paused" if paused else "failing" if failures else "works",
        paused=paused,
        paused_at=_format(paused_at_s),
        failures=failures,
        reason=reason,
        delivered_at=_format(delivered_at_s),
        waiting=waiting,
        oldest=_format(oldest[0]) if oldest else None,
        given_up=given_up,
    )


def pause(name: str, now_s: float) -> Change:
    """Deliver nothing to this endpoint until it is resumed. Its events wait."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR IGNORE INTO endpoints (name) VALUES (?)", (name,))
        connection.execute(
            "UPDATE endpoints SET paused = 'requested', paused_at_s = ?, revision = revision + 1 WHERE name = ?",
            (now_s, name),
        )

    return change


def resume(name: str) -> Change:
    """Deliver again, from now on with no failures: what waits is due at once, and has a whole day again."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR IGNORE INTO endpoints (name) VALUES (?)", (name,))
        connection.execute(
            "UPDATE endpoints SET paused = NULL, paused_at_s = NULL, failures = 0, failing_since_s = 0,"
            " hold_until_s = 0, revision = revision + 1 WHERE name = ?",
            (name,),
        )
        connection.execute(
            "UPDATE waiting SET failures = 0, due_s = coalesce(nullif(first_failed_s, 0), due_s), first_failed_s = 0"
            " WHERE endpoint = ?",
            (name,),
        )

    return change


def retry_given_up(name: str, numbers: tuple[int, ...], now_s: float) -> Change:
    """Let these events wait again, or all of the endpoint's; they come behind what waits now. Returns how many."""

    def change(connection: sqlite3.Connection) -> int:
        rows = connection.execute(
            "SELECT number, webhook_id, type, recipient, topic, partition, offset, body, at_s FROM given_up"
            " WHERE endpoint = ? AND at_s >= ? ORDER BY number",
            (name, now_s - GIVEN_UP_KEPT_S),
        ).fetchall()
        chosen = [row for row in rows if not numbers or row[0] in numbers]
        connection.executemany(INSERT_WAITING, [(name, *row[1:]) for row in chosen])
        connection.executemany(
            "DELETE FROM given_up WHERE number = ?", [(row[0],) for row in chosen]
        )
        connection.execute("INSERT OR IGNORE INTO endpoints (name) VALUES (?)", (name,))
        connection.execute("UPDATE endpoints SET revision = revision + 1 WHERE name = ?", (name,))
        return len(chosen)

    return change


def list_given_up(connection: sqlite3.Connection, now_s: float) -> list[GivenUpEvent]:
    """All that were given up in the last seven days, the oldest first.

    Older ones may still be in the file if no process delivers, which removes them.
    """
    rows = connection.execute(
        "SELECT number, endpoint, webhook_id, type, recipient, at_s, failures, reason FROM given_up"
        " WHERE at_s >= ? ORDER BY at_s",
        (now_s - GIVEN_UP_KEPT_S,),
    )
    events: list[GivenUpEvent] = []
    for number, endpoint, webhook_id, event_type, recipient, at_s, failures, reason in rows:
        events.append(
            GivenUpEvent(
                number=number,
                endpoint=endpoint,
                webhook_id=webhook_id,
                type=event_type,
                recipient=recipient,
                at=format_rfc3339(at_s),
                failures=failures,
                reason=reason,
            )
        )
    return events


async def send_test_event(settings: Settings, endpoint: Endpoint, now_s: float) -> Answer:
    """Send an event of the type wa.test, once, and return the answer. `now_s`: epoch, this machine's clock."""
    event = make_test_event(format_rfc3339(now_s))
    headers = build_headers(endpoint.signers, event.id, event.body, now_s)
    async with EndpointClient(settings) as client:
        return await client.post(endpoint.url, headers, event.body)


def _format(time_s: float | None) -> str | None:
    return None if time_s is None else format_rfc3339(time_s)
