"""The tables of the read model. No query is here.

SQLite, because it is in Python, writes in one transaction with the positions, and reads one message by its id in
microseconds. DuckDB reads columns of millions of rows faster; nothing here does, and it would add 20 MB to an
installation.
"""

from typing import Final

VERSION: Final = 2  # of these tables: a file with another one is built again

# `at_s`: the time of the fact, epoch seconds. `recipient`: E.164, the id of a group, or a text that cannot be read.
TABLES: Final = """
CREATE TABLE positions (
    topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE topics (topic TEXT PRIMARY KEY, topic_id TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE messages (
    recipient TEXT, id TEXT, status TEXT NOT NULL, at_s REAL NOT NULL, accepted_at_s REAL, account TEXT,
    whatsapp_id TEXT, batch_id TEXT, reason TEXT, due_at TEXT, error_code TEXT, attempt INTEGER,
    PRIMARY KEY (recipient, id)
) WITHOUT ROWID;
CREATE INDEX messages_open ON messages (accepted_at_s) WHERE status IN ('accepted', 'queued');
CREATE INDEX messages_at ON messages (at_s);
CREATE INDEX messages_id ON messages (id);
CREATE INDEX messages_batch ON messages (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX messages_whatsapp ON messages (whatsapp_id) WHERE whatsapp_id IS NOT NULL;

CREATE TABLE events (
    event_id TEXT NOT NULL UNIQUE, recipient TEXT NOT NULL, id TEXT NOT NULL, at_s REAL NOT NULL, document BLOB NOT NULL
);
CREATE INDEX events_message ON events (recipient, id);
CREATE INDEX events_at ON events (at_s);
CREATE TABLE minutes (
    minute INTEGER, status TEXT, count INTEGER NOT NULL, PRIMARY KEY (minute, status)
) WITHOUT ROWID;

CREATE TABLE received (
    event_id TEXT NOT NULL UNIQUE, chat TEXT NOT NULL, at_s REAL NOT NULL, document BLOB NOT NULL
);
CREATE INDEX received_chat ON received (chat, at_s);
CREATE INDEX received_at ON received (at_s);

CREATE TABLE batches (batch_id TEXT PRIMARY KEY, started_at_s REAL NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX batches_started ON batches (started_at_s);

CREATE TABLE dead_letters (
    id TEXT PRIMARY KEY, partition INTEGER NOT NULL, offset INTEGER NOT NULL, at_s REAL NOT NULL,
    request_id TEXT NOT NULL, recipient TEXT, batch_id TEXT, reason TEXT NOT NULL, error_class TEXT NOT NULL,
    account TEXT, outcome TEXT NOT NULL, message TEXT NOT NULL, attempts INTEGER NOT NULL, replay_of TEXT,
    headers BLOB NOT NULL, payload BLOB, payload_bytes INTEGER NOT NULL
);
CREATE INDEX dead_letters_at ON dead_letters (at_s);
CREATE INDEX dead_letters_replay_of ON dead_letters (replay_of) WHERE replay_of IS NOT NULL;
CREATE INDEX dead_letters_recipient ON dead_letters (recipient);
CREATE INDEX dead_letters_batch ON dead_letters (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE alerts (
    key TEXT PRIMARY KEY, is_raised INTEGER NOT NULL, at_s REAL NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE forgotten (
    key BLOB PRIMARY KEY, request_id TEXT NOT NULL, at_s REAL NOT NULL, is_applied INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE requests (
    recipient TEXT, id TEXT, at_s REAL NOT NULL, content BLOB NOT NULL, PRIMARY KEY (recipient, id)
) WITHOUT ROWID;
CREATE INDEX requests_at ON requests (at_s);
CREATE TABLE metadata (
    value TEXT, name TEXT, recipient TEXT, id TEXT, at_s REAL NOT NULL, PRIMARY KEY (value, name, recipient, id)
) WITHOUT ROWID;
CREATE INDEX metadata_at ON metadata (at_s);
CREATE INDEX metadata_recipient ON metadata (recipient);

CREATE TABLE times (minute INTEGER, bucket INTEGER, count INTEGER NOT NULL, PRIMARY KEY (minute, bucket)) WITHOUT ROWID;
CREATE TABLE samples (
    minute INTEGER, worker TEXT, metric TEXT, result TEXT, value REAL NOT NULL,
    PRIMARY KEY (minute, worker, metric, result)
) WITHOUT ROWID;
"""
