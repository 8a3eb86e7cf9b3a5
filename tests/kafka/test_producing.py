"""A topic that cannot be written is an error at once, with what to do."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from streams.cli.error_map import translate
from streams.embedded_kafka.broker import EmbeddedBroker
from streams.kafka.producing import TopicForbidden, open_producer, translate_refusals
from streams.kafka.reader import TopicNotFound
from streams.operations.account_requests import _get_user, _publish
from tests.support.broker import make_settings


@pytest.mark.parametrize(
    ("error", "expected", "remedy"),
    [
        (UnknownTopicOrPartitionError(), TopicNotFound, "wa-streams topics create"),
        (TopicAuthorizationFailedError("t"), TopicForbidden, "Write"),
        (ClusterAuthorizationFailedError(), TopicForbidden, "IdempotentWrite"),
    ],
)
def test_a_refusal_says_what_to_do(
    error: KafkaError, expected: type[Exception], remedy: str
) -> None:
    """A command ends with code 2: a retry does not help."""
    with pytest.raises(expected, match=remedy) as caught, translate_refusals("t"):
        raise error
    command_error = translate(caught.value)
    assert command_error is not None
    assert command_error.exit_code == 2


@pytest.mark.broker
async def test_a_missing_topic_is_noticed_at_once(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """aiokafka looks for it for 40 s; every command that produces uses this producer."""
    settings = replace(make_settings(broker, tmp_path), topic_prefix="nothing-was-created")
    async with asyncio.timeout(60):
        with pytest.raises(TopicNotFound):
            async with open_producer(settings, "nothing-was-created.outbound"):
                raise AssertionError("there is no such topic")
        with pytest.raises(TopicNotFound):
            await _publish(settings, "main", "paused")


def test_a_user_without_a_name_can_make_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a number that /etc/passwd does not list."""

    def fail() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", fail)
    assert _get_user().isdigit()
