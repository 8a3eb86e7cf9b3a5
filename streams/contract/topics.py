"""The public topics as data: what users read and write, and for how long it is kept.

The names are without the prefix (`WA_TOPIC_PREFIX`, "wa"). Internal topics are not in this file.
"""

from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000
MIB = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One public topic. A compacted topic keeps the last record of each key forever."""

    name: str
    direction: Literal["in", "out"]  # "in": callers write it; "out": callers read it
    key: str
    value: str
    partitions: Literal["keyed", 1]  # "keyed": WA_PARTITIONS, chosen by the record's key
    retention_ms: int | None = None  # None: records are not removed by age
    compacted: bool = False
    max_message_bytes: int = MIB


PUBLIC_TOPICS: tuple[Topic, ...] = (
    # More than the largest request, so that a request that is too large can still be answered.
    Topic(
        name="outbound",
        direction="in",
        key="any, or none",
        value="request (JSON)",
        partitions="keyed",
        retention_ms=7 * DAY_MS,
        max_message_bytes=4 * MIB,
    ),
    Topic(
        name="status",
        direction="out",
        key="phone, E.164",
        value="status event (JSON)",
        partitions="keyed",
        retention_ms=30 * DAY_MS,
    ),
    # The original bytes with added headers.
    Topic(
        name="dlq",
        direction="out",
        key="original key",
        value="original value, byte for byte",
        partitions="keyed",
        retention_ms=90 * DAY_MS,
        max_message_bytes=5 * MIB,
    ),
    Topic(
        name="inbound",
        direction="out",
        key="phone (E.164), chat id or group",
        value="received message (JSON)",
        partitions="keyed",
        retention_ms=7 * DAY_MS,
    ),
    Topic(
        name="accounts",
        direction="out",
        key="account name",
        value="state of a sending account (JSON)",
        partitions=1,
        compacted=True,
    ),
    Topic(
        name="batches",
        direction="out",
        key="batch id",
        value="progress of a batch (JSON)",
        partitions=1,
        compacted=True,
    ),
    Topic(
        name="templates",
        direction="in",
        key="name/language",
        value="template (JSON); a tombstone removes it",
        partitions=1,
        compacted=True,
    ),
    Topic(
        name="alerts",
        direction="out",
        key="alert name",
        value="alert raised or cleared (JSON)",
        partitions=1,
        retention_ms=30 * DAY_MS,
    ),
)
