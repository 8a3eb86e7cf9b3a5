"""The one place where errors of other packages and of libraries become the exit of a command.

Errors are named by their path, so that this module imports none of their packages.
"""

import errno

from streams.operations.errors import CommandError, CommandFailed, UsageError
from streams.system.files import describe_full_disk, is_disk_full

_KAFKA_UNREACHABLE = (
    "Kafka does not answer ({}): start it, or set WA_KAFKA_BOOTSTRAP_SERVERS to its address"
)
# What a path that a person chose can be: a folder, a file, forbidden, too long.
_PATH_ERRNOS = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENAMETOOLONG,
        errno.ELOOP,
    }
)
_TOO_LARGE = (
    "the record is larger than Kafka takes ({}): with its file it may have WA_MAX_REQUEST_BYTES"
)
# "{}" stands for the error's own text.
_ERROR_MAP: dict[str, tuple[type[CommandError], str]] = {
    "streams.whatsapp.errors.BrowserMissing": (UsageError, "{}"),
    "streams.whatsapp.errors.BundleMissing": (UsageError, "{}"),
    "streams.whatsapp.errors.ProfileInUse": (UsageError, "{}"),
    "streams.system.cache.CacheUnusable": (UsageError, "{}"),
    "streams.system.folder_lock.FolderInUse": (UsageError, "{}"),
    "streams.embedded_kafka.java.JavaMissing": (UsageError, "{}"),
    "streams.embedded_kafka.jars.JarsMissing": (UsageError, "{}"),
    "streams.kafka.admin.InvalidTopics": (UsageError, "{}"),
    "streams.kafka.connection.KafkaUnreachable": (CommandFailed, "{}"),
    "streams.client.requests.RequestInvalid": (UsageError, "{}"),
    "streams.kafka.reader.TopicNotFound": (UsageError, "{}"),
    "streams.kafka.producing.TopicForbidden": (UsageError, "{}"),
    "streams.runtime.worker_dir.WorkerAlreadyRunning": (UsageError, "{}"),
    "streams.observability.http_server.CannotListen": (UsageError, "{}"),
    "streams.sandbox.client.SandboxUnreachable": (CommandFailed, "{}"),
    "streams.sandbox.client.SandboxRefused": (CommandFailed, "{}"),
    "streams.sandbox.app.CannotStart": (UsageError, "{}"),
    "aiokafka.errors.KafkaConnectionError": (CommandFailed, _KAFKA_UNREACHABLE),
    "aiokafka.errors.NoBrokersAvailable": (CommandFailed, _KAFKA_UNREACHABLE),
    "aiokafka.errors.KafkaTimeoutError": (CommandFailed, "Kafka did not answer in time ({})"),
    "aiokafka.errors.UnknownTopicOrPartitionError": (
        UsageError,
        "a topic is missing ({}): run `wa-streams topics create`",
    ),
    "aiokafka.errors.AuthenticationFailedError": (
        UsageError,
        "Kafka refuses the login ({}): check the WA_KAFKA_SECURITY_… settings",
    ),
    "aiokafka.errors.MessageSizeTooLargeError": (UsageError, _TOO_LARGE),
    "aiokafka.errors.KafkaError": (CommandFailed, "Kafka: {}"),
}


def translate(error: BaseException) -> CommandError | None:
    """The exit that an error stands for, by its nearest class; None if it is not in the map."""
    if isinstance(error, OSError) and is_disk_full(error):
        return CommandFailed(describe_full_disk(error.filename or "the output or the data folder"))
    if isinstance(error, OSError) and error.errno in _PATH_ERRNOS and error.filename is not None:
        return UsageError(f"{error.filename}: {error.strerror or error}")
    if (
        isinstance(error, FileNotFoundError) and error.filename is None
    ):  # Python could not name the working folder
        return UsageError("the working folder was deleted: change to another one")
    for error_type in type(error).__mro__:
        entry = _ERROR_MAP.get(f"{error_type.__module__}.{error_type.__qualname__}")
        if entry is not None:
            command_error, text = entry
            return command_error(text.format(_error_text(error)))
    return None


def _error_text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
