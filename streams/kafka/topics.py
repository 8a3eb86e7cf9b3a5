"""Names of topics and groups, and how each topic must be created. Talks to no broker.

A name is state: it decides which partition holds a phone, and how far which group has read. So all names are made
here, from the settings alone.
"""

from dataclasses import dataclass, replace

from streams.contract.topics import DAY_MS, MIB, PUBLIC_TOPICS, Topic
from streams.settings import ClientSettings, Settings

HOUR_MS = 3_600_000

ROWS = "rows"  # the dispatcher's table
SENDS = "sends"  # each sender's table

# Of internal records: a request with all that we add, and a reserve.
_INTERNAL_MAX_MESSAGE_BYTES = 8 * MIB
_INTERNAL_RETENTION_MS = 7 * DAY_MS

# A segment is compacted or removed as a whole, and only when it is no longer written to. A short life
# and a small size limit both how long the data of an erased phone stay on the disk, and how much a
# recovery must read.
_COMPACTED_CONFIG = {
    "cleanup.policy": "compact",
    "segment.ms": str(HOUR_MS),
    "segment.bytes": str(16 * MIB),
    "min.cleanable.dirty.ratio": "0.2",
    "max.compaction.lag.ms": str(DAY_MS),
    "delete.retention.ms": str(DAY_MS),
}

# The broker's clock, on which every decision rests (broker_clock.py). By the clock of a caller that is
# wrong, requests would also be removed before they are read (too old) or refused (too new).
TIMESTAMP_TYPE = "message.timestamp.type"
APPEND_TIME = "LogAppendTime"
APPEND_TIME_TYPE = 1  # of a record or a produce response
_TIMESTAMP_CONFIG = {TIMESTAMP_TYPE: APPEND_TIME}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the topics."""

    prefix: str
    outbound: str
    status: str
    dlq: str
    inbound: str
    accounts: str
    templates: str
    batches: str
    alerts: str
    phone: str
    batch: str
    consent: str
    clock: str
    account_requests: str
    forget: str
    samples: str

    def send(self, account: str) -> str:
        """The send topic of an account: what its sender must send."""
        return f"{self.prefix}.internal.send.{account}"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic must be created. `replication_factor` -1: the brokers' default.

    `is_free`: any number of partitions will do, and this one is only for the creation.
    """

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]
    is_free: bool = False


def names(settings: ClientSettings) -> Names:
    """The topics' names under the configured prefix."""
    prefix = settings.topic_prefix
    public = {topic.name: f"{prefix}.{topic.name}" for topic in PUBLIC_TOPICS}
    internal = {
        name: f"{prefix}.internal.{name}"
        for name in ("phone", "batch", "clock", "consent", "forget", "samples")
    }
    account_requests = f"{prefix}.internal.accounts"
    return Names(prefix=prefix, account_requests=account_requests, **internal, **public)


def dispatch_app_id(settings: Settings) -> str:
    """The group of the dispatchers, and the id of their Faust app."""
    return f"{settings.topic_prefix}-dispatch"


def sender_app_id(settings: Settings, account: str) -> str:
    """The group of an account's senders, and the id of their Faust app."""
    return f"{settings.topic_prefix}-sender-{account}"


def webhooks_group(settings: Settings, endpoint: str) -> str:
    """The group that has the positions of an endpoint of webhooks."""
    return f"{settings.topic_prefix}-webhooks-{endpoint}"


def changelog_topic(app_id: str, table: str) -> str:
    """Faust's name for the topic that a table is recovered from."""
    return f"{app_id}-{table}-changelog"


def required_topics(settings: Settings) -> list[TopicSpec]:
    """Every topic that must exist before a worker starts, with the send topics and the changelogs."""
    topic_names = names(settings)
    specs = [_public_spec(settings, topic) for topic in PUBLIC_TOPICS]
    specs.append(_spec(settings, topic_names.phone, settings.partitions, _internal_config()))
    specs.append(_spec(settings, topic_names.batch, settings.partitions, _internal_config()))
    # Nothing is ever removed from it: an opt-out has no end.
    specs.append(_spec(settings, topic_names.consent, settings.partitions, _compact_config(MIB)))
    specs.append(_spec(settings, topic_names.clock, 1, _brief_config(HOUR_MS)))
    # Longer than any rule looks back (streams/domain/alerts/rules.py).
    specs.append(_spec(settings, topic_names.samples, 1, _brief_config(3 * HOUR_MS)))
    specs.append(_spec(settings, topic_names.account_requests, 1, _compact_config(MIB)))
    specs.append(_spec(settings, topic_names.forget, 1, _compact_config(MIB)))
    rows_changelog = changelog_topic(dispatch_app_id(settings), ROWS)
    specs.append(
        _spec(
            settings,
            rows_changelog,
            settings.partitions,
            _compact_config(_INTERNAL_MAX_MESSAGE_BYTES),
        )
    )
    for account in settings.accounts:
        specs.append(_spec(settings, topic_names.send(account), 1, _internal_config()))
        sends_changelog = changelog_topic(sender_app_id(settings, account), SENDS)
        specs.append(
            _spec(settings, sends_changelog, 1, _compact_config(_INTERNAL_MAX_MESSAGE_BYTES))
        )
    return specs


def _public_spec(settings: Settings, topic: Topic) -> TopicSpec:
    partitions = settings.partitions if topic.partitions == "keyed" else topic.partitions
    name = f"{settings.topic_prefix}.{topic.name}"
    if topic.compacted:
        return _spec(settings, name, partitions, _compact_config(topic.max_message_bytes))
    assert topic.retention_ms is not None, f"{topic.name} would grow for ever"
    config = _delete_config(topic.retention_ms, topic.max_message_bytes)
    # What users write belongs to them: nothing of ours depends on which partition a record is in.
    return replace(_spec(settings, name, partitions, config), is_free=topic.name == "outbound")


def _spec(settings: Settings, name: str, partitions: int, config: dict[str, str]) -> TopicSpec:
    # With acks=all, a record is then on two brokers before anything follows from it.
    min_insync = {"min.insync.replicas": "2"} if settings.replication_factor >= 3 else {}
    return TopicSpec(
        name, partitions, settings.replication_factor, {**config, **min_insync, **_TIMESTAMP_CONFIG}
    )


def _brief_config(retention_ms: int) -> dict[str, str]:
    """Each worker writes a record every few seconds: to read its append time, and with its metrics."""
    return {**_delete_config(retention_ms, MIB), "segment.ms": str(HOUR_MS)}


def _internal_config() -> dict[str, str]:
    return _delete_config(_INTERNAL_RETENTION_MS, _INTERNAL_MAX_MESSAGE_BYTES)


def _delete_config(retention_ms: int, max_message_bytes: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "segment.ms": str(DAY_MS),
        "max.message.bytes": str(max_message_bytes),
    }


def _compact_config(max_message_bytes: int) -> dict[str, str]:
    return {**_COMPACTED_CONFIG, "max.message.bytes": str(max_message_bytes)}
