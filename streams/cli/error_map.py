"""The one place where errors of other parts, and of libraries, become endings of a command.

By name, so that no command imports what it does not need to say what went wrong.
"""

from streams.operations.errors import CommandError, Failed, Wrong

_KAFKA = "Kafka does not answer ({}): start it, or set WA_KAFKA to where it is"
# An error's own text is said where the right side is "{}".
_TABLE: dict[str, tuple[type[CommandError], str]] = {
    "streams.whatsapp.errors.BrowserMissing": (Wrong, "{}"),
    "streams.whatsapp.errors.BundleMissing": (Wrong, "{}"),
    "streams.whatsapp.errors.ProfileInUse": (Wrong, "{}"),
    "streams.embedded_kafka.java.JavaMissing": (Wrong, "{}"),
    "streams.embedded_kafka.jars.JarsMissing": (Wrong, "{}"),
    "streams.kafka.admin.TopicsWrong": (Wrong, "{}"),
    "streams.kafka.connection.KafkaUnreachable": (Wrong, "{}"),
    "streams.kafka.reader.TopicMissing": (Wrong, "{}"),
    "streams.runtime.worker_dir.WorkerRuns": (Wrong, "{}"),
    "streams.observability.probes.CannotListen": (Wrong, "{}"),
    "streams.sandbox.app.CannotStart": (Wrong, "{}"),
    "aiokafka.errors.KafkaConnectionError": (Wrong, _KAFKA),
    "aiokafka.errors.NoBrokersAvailable": (Wrong, _KAFKA),
    "aiokafka.errors.KafkaTimeoutError": (Failed, "Kafka did not answer in time ({})"),
    "aiokafka.errors.UnknownTopicOrPartitionError": (
        Wrong,
        "a topic is missing ({}): run `wa-streams topics create`",
    ),
    "aiokafka.errors.AuthenticationFailedError": (
        Wrong,
        "Kafka refuses the login ({}): look at WA_KAFKA_SECURITY_…",
    ),
    "aiokafka.errors.KafkaError": (Failed, "Kafka: {}"),
}


def translated(error: BaseException) -> CommandError | None:
    """The ending that an error of somebody else stands for, the nearest kind first; None: unknown."""
    for kind in type(error).__mro__:
        known = _TABLE.get(f"{kind.__module__}.{kind.__qualname__}")
        if known is not None:
            ending, text = known
            return ending(text.format(_said(error)))
    return None


def _said(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
