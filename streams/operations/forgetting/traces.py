"""What stays of a recipient that was forgotten, where, and until when: read from the topics as they are configured.

Nobody can remove a single record from a log. A topic that deletes by age keeps its records for its retention, and then
until the segment ends that they are in. A compacted one keeps an old value until its segment is closed and compacted.
Nothing here is removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streams.contract.timestamps import format_rfc3339
from streams.kafka.admin import read_topic_configs
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.topics import (
    ROWS,
    SENDS,
    changelog_topic,
    dispatch_app_id,
    names,
    sender_app_id,
)
from streams.settings import Settings

_CHECK_INTERVAL_MS: Final = 300_000  # how often a broker looks for what it may delete
_FOR_EVER_MS: Final = 100 * 365 * 86_400_000  # Kafka's own "no limit" is larger than any date

# Copies that no command of wa-streams reaches.
OUTSIDE: Final = (
    "the account's phone keeps its own copy of the chat: delete it there too",
    "the recipient's phone and WhatsApp's servers are not touched",
    "files that the recipient sent to groups stay in WA_MEDIA_STORE, and files that were sent stay in the media cache "
    "until it needs the room",
    "whoever reads wa.status, wa.inbound or wa.dlq may have copies",
)


@dataclass(frozen=True, slots=True)
class Trace:
    """A topic that may still hold something of the recipient. `until`: RFC 3339; None: nothing bounds it."""

    topic: str
    holds: str
    until: str | None
    remedy: str = ""


async def list_traces(settings: Settings) -> list[Trace]:
    """The topics, with the times that follow from their present configuration."""
    holds = _describe_topics(settings)
    configs = await read_topic_configs(settings, list(holds))
    now_s = await fetch_broker_time_s(settings)
    dlq = names(settings).dlq
    return [
        Trace(
            topic,
            text,
            _format_until(configs[topic], now_s),
            "`wa-streams dlq purge` deletes the oldest dead letters at once"
            if topic == dlq
            else "",
        )
        for topic, text in holds.items()
        if topic in configs
    ]


def _describe_topics(settings: Settings) -> dict[str, str]:
    topics = names(settings)
    holds = {
        topics.outbound: "the requests as they were written",
        topics.status: "what became of them",
        topics.dlq: "requests that failed",
        topics.inbound: "what the recipient wrote",
        topics.phone: "events",
        topics.batch: "members of batches",
        topics.consent: "the opt-out or opt-in",
        topics.forget: "the number, for the accounts",
        changelog_topic(dispatch_app_id(settings), ROWS): "earlier values of the rows",
    }
    for account in settings.accounts:
        holds[topics.send(account)] = "the dispatched messages"
        holds[changelog_topic(sender_app_id(settings, account), SENDS)] = (
            "earlier values of the claims"
        )
    return holds


def _format_until(config: Mapping[str, str], now_s: float) -> str | None:
    """A record that is written now is gone by then, if the brokers keep up with their cleaning."""
    is_compacted = "compact" in config["cleanup.policy"]
    kept_ms = int(config["max.compaction.lag.ms" if is_compacted else "retention.ms"])
    bound_ms = kept_ms + int(config["segment.ms"]) + _CHECK_INTERVAL_MS
    if kept_ms < 0 or bound_ms > _FOR_EVER_MS:
        return None
    return format_rfc3339(now_s + bound_ms / 1000)
