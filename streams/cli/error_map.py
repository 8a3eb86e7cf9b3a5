"""The one place where errors of other parts, and of libraries, become endings of a command.

By name, so that no command imports what it does not need to say what went wrong.
"""

from streams.operations.errors import CommandError, CommandFailed, UsageError

_KAFKA_UNREACHABLE = (
    "Kafka does not answer ({}): start it, or set WA_KAFKA_BOOTSTRAP_SERVERS to where it is"
)
# An error's own text is said where the right side is "{}".
_ERROR_MAP: dict[str, tuple[type[CommandError], str]] = {
    "streams.whatsapp.errors.BrowserMissing": (UsageError, "{}"),
    "streams.whatsapp.errors.BundleMissing": (UsageError, "{}"),
    "streams.whatsapp.errors.ProfileInUse": (UsageError, "{}"),
    "streams.system.cache.CacheUnusable": (UsageError, "{}"),
    "streams.embedded_kafka.java.JavaMissing": (UsageError, "{}"),
    "streams.embedded_kafka.jars.JarsMissing": (UsageError, "{}"),
    "streams.kafka.admin.InvalidTopics": (UsageError, "{}"),
    "streams.kafka.connection.KafkaUnreachable": (UsageError, "{}"),
    "streams.kafka.reader.TopicNotFound": (UsageError, "{}"),
    "streams.runtime.worker_dir.WorkerAlreadyRunning": (UsageError, "{}"),
    "streams.observability.probes.CannotListen": (UsageError, "{}"),
    "streams.sandbox.client.SandboxUnreachable": (UsageError, "{}"),
    "streams.sandbox.client.SandboxRefused": (CommandFailed, "{}"),
    "streams.sandbox.app.CannotStart": (UsageError, "{}"),
    "aiokafka.errors.KafkaConnectionError": (UsageError, _KAFKA_UNREACHABLE),
    "aiokafka.errors.NoBrokersAvailable": (UsageError, _KAFKA_UNREACHABLE),
    "aiokafka.errors.KafkaTimeoutError": (CommandFailed, "Kafka did not answer in time ({})"),
    "aiokafka.errors.UnknownTopicOrPartitionError": (
        UsageError,
        "a topic is missing ({}): run `wa-streams topics create`",
    ),
    "aiokafka.errors.AuthenticationFailedError": (
        UsageError,
        "Kafka refuses the login ({}): look at WA_KAFKA_SECURITY_…",
    ),
    "aiokafka.errors.KafkaError": (CommandFailed, "Kafka: {}"),
}


def translate(error: BaseException) -> CommandError | None:
    """The ending that an error of somebody else stands for, the nearest kind first; None: unknown."""
    for kind in type(error).__mro__:
        entry = _ERROR_MAP.get(f"{kind.__module__}.{kind.__qualname__}")
        if entry is not None:
            error_class, text = entry
            return error_class(text.format(_error_text(error)))
    return None


def _error_text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
