"""What a command says of an error of Kafka's client: the remedy, in one line, and whether a retry is worthwhile."""

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)

from streams.cli.error_map import translate


@pytest.mark.parametrize(
    ("error", "exit_code", "remedy"),
    [
        (MessageSizeTooLargeError("The message is 9 MB"), 2, "WA_MAX_REQUEST_BYTES"),
        (UnknownTopicOrPartitionError("wa.outbound"), 2, "wa-streams topics create"),
        (KafkaConnectionError("no route"), 1, "WA_KAFKA_BOOTSTRAP_SERVERS"),
        (KafkaError("anything\nelse"), 1, "Kafka: "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_kafka_names_its_remedy(error: Exception, exit_code: int, remedy: str) -> None:
    """One line; exit code 2 if the same command would fail again."""
    command_error = translate(error)
    assert command_error is not None
    assert command_error.exit_code == exit_code
    assert remedy in str(command_error)
    assert "\n" not in str(command_error)
