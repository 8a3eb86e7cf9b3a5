"""Names and specifications of topics: what the contract promises, and what a worker needs."""

from pathlib import Path

import pytest

from streams.contract.topics import PUBLIC_TOPICS
from streams.kafka import topics
from streams.settings import SettingError, Settings, load

DAY_MS = 24 * 60 * 60 * 1000


def _settings(**given: object) -> Settings:
    return load({}, **{"data_dir": Path("/nowhere"), "accounts": ["a", "b"], **given})


def _specs(settings: Settings) -> dict[str, topics.TopicSpec]:
    return {spec.name: spec for spec in topics.required_topics(settings)}


def test_the_public_topics_are_those_of_the_contract() -> None:
    """Each has its name, direction and retention (None: the last record of each key is kept for ever)."""
    assert [(topic.name, topic.direction, topic.retention_ms) for topic in PUBLIC_TOPICS] == [
        ("outbound", "in", 7 * DAY_MS),
        ("status", "out", 30 * DAY_MS),
        ("dlq", "out", 90 * DAY_MS),
        ("inbound", "out", 7 * DAY_MS),
        ("accounts", "out", None),
        ("batches", "out", None),
        ("templates", "in", None),
        ("alerts", "out", 30 * DAY_MS),
    ]
    compacted = [topic.name for topic in PUBLIC_TOPICS if topic.compacted]
    assert compacted == ["accounts", "batches", "templates"]


def test_every_topic_that_a_worker_needs_is_specified() -> None:
    """They are the public and internal topics, send topics and changelogs, with their partitions."""
    settings = _settings(topic_prefix="x", partitions=5)
    assert {name: spec.partitions for name, spec in _specs(settings).items()} == {
        "x.outbound": 5,
        "x.status": 5,
        "x.dlq": 5,
        "x.inbound": 5,
        "x.accounts": 1,
        "x.batches": 1,
        "x.templates": 1,
        "x.alerts": 1,
        "x.internal.phone": 5,
        "x.internal.batch": 5,
        "x.internal.clock": 1,
        "x.internal.samples": 1,
        "x.internal.consent": 5,
        "x.internal.forget": 1,
        "x.internal.accounts": 1,
        "x-dispatch-rows-changelog": 5,
        "x.internal.send.a": 1,
        "x.internal.send.b": 1,
        "x-sender-a-sends-changelog": 1,
        "x-sender-b-sends-changelog": 1,
    }


def test_every_name_has_a_specification() -> None:
    """Every name that the code uses is one that `topics create` has created."""
    settings = _settings(topic_prefix="x")
    name = topics.names(settings)
    specified = _specs(settings)
    used_names = {name.outbound, name.status, name.dlq, name.inbound, name.accounts, name.templates}
    used_names |= {name.batches, name.batch, name.consent, name.forget, name.alerts, name.samples}
    used_names |= {name.phone, name.clock, name.account_requests, name.send("a"), name.send("b")}
    used_names.add(topics.changelog_topic(topics.dispatch_app_id(settings), topics.ROWS))
    used_names |= {
        topics.changelog_topic(topics.sender_app_id(settings, account), topics.SENDS)
        for account in ("a", "b")
    }
    assert used_names == specified.keys()


def test_what_nothing_else_keeps_is_never_removed_by_age() -> None:
    """A table's changelog, an account's state, a template, a consent, and who is to be forgotten, outlive it."""
    kept = ("-changelog", ".accounts", ".batches", ".templates", ".consent", ".forget")
    for name, spec in _specs(_settings()).items():
        compacted = name.endswith(kept)
        assert spec.config["cleanup.policy"] == ("compact" if compacted else "delete")
        assert ("retention.ms" in spec.config) is not compacted
        assert ("max.compaction.lag.ms" in spec.config) is compacted


def test_each_topic_accepts_the_largest_record_of_the_stage_before() -> None:
    """An accepted record fits everywhere it goes, and so does the dead letter of a rejected one."""
    with pytest.raises(SettingError, match="WA_MAX_REQUEST_BYTES"):
        _settings(max_request_bytes=3_145_729)
    settings = _settings(max_request_bytes=3_145_728)
    size = {name: int(spec.config["max.message.bytes"]) for name, spec in _specs(settings).items()}
    assert settings.max_request_bytes < size["wa.outbound"] < size["wa.dlq"]
    assert 2 * settings.max_request_bytes < size["wa.internal.phone"]
    assert size["wa.internal.phone"] == size["wa.internal.send.a"]
    assert size["wa.internal.phone"] == size["wa-dispatch-rows-changelog"]
    for spec in _specs(settings).values():
        segment = int(spec.config.get("segment.bytes", 2**30))
        assert int(spec.config["max.message.bytes"]) < segment


def test_three_copies_require_two_in_sync() -> None:
    """With replication, a record is on two brokers before anything follows from it."""
    for replication, insync in ((1, None), (2, None), (3, "2"), (-1, None)):
        for spec in topics.required_topics(_settings(replication_factor=replication)):
            assert spec.replication_factor == replication
            assert spec.config.get("min.insync.replicas") == insync
