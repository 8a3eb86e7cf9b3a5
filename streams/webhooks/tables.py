"""The tables of the webhooks' file (store.py), and how an event is put into one. No query is here."""

from typing import Final

INSERT_WAITING: Final = (
    "INSERT INTO waiting (endpoint, webhook_id, type, recipient, topic, partition, offset, body, due_s)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
VERSION: Final = 1  # of these tables: a file with another one is set aside
GIVEN_UP_KEPT_S: Final = 7 * 86_400.0  # an event that was given up, with its text

# Times are epoch seconds by the broker's clock. `number`: the order in which events were read.
TABLES: Final = (
    """CREATE TABLE positions (
        endpoint TEXT, topic TEXT, partition INTEGER, topic_id TEXT NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (endpoint, topic, partition)
    ) WITHOUT ROWID""",
    """CREATE TABLE endpoints (
        name TEXT PRIMARY KEY, paused TEXT, paused_at_s REAL, failures INTEGER NOT NULL DEFAULT 0,
        failing_since_s REAL NOT NULL DEFAULT 0, hold_until_s REAL NOT NULL DEFAULT 0, delivered_at_s REAL,
        reason TEXT, revision INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID""",
    """CREATE TABLE waiting (
        number INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, webhook_id TEXT NOT NULL,
        type TEXT NOT NULL, recipient TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
        offset INTEGER NOT NULL, body BLOB NOT NULL, due_s REAL NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
        first_failed_s REAL NOT NULL DEFAULT 0, reason TEXT
    )""",
    "CREATE INDEX waiting_number ON waiting (endpoint, number)",
    "CREATE INDEX waiting_offset ON waiting (endpoint, topic, partition, offset)",
    """CREATE TABLE given_up (
        number INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, webhook_id TEXT NOT NULL, type TEXT NOT NULL,
        recipient TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
        body BLOB NOT NULL, at_s REAL NOT NULL, failures INTEGER NOT NULL, reason TEXT NOT NULL,
        first_failed_s REAL NOT NULL
    )""",
    "CREATE INDEX given_up_at ON given_up (at_s)",
)
