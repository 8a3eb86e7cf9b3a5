"""Builds the AsyncAPI 3 document: topics, messages and headers, as seen from wa-streams. Writes no file.

The payloads are the JSON Schemas in the same folder. Topic names have the default prefix.
"""

from typing import Any, Final

from streams.contract.status import EVENT_TYPE_PREFIX, FINAL_STATUSES
from streams.contract.topics import PUBLIC_TOPICS, Topic

_BINDING_VERSION: Final = "0.5.0"
_JSON: Final = "application/json"

# For each topic: its message, its purpose, and the schema file of its payload.
_MESSAGES: Final[dict[str, tuple[str, str, str | None]]] = {
    "outbound": (
        "request",
        "Requests a message. CloudEvents in binary and structured mode are accepted too.",
        "request",
    ),
    "status": (
        "status",
        f"What happened to a request. The final statuses are {', '.join(sorted(FINAL_STATUSES))}.",
        "status",
    ),
    "dlq": (
        "deadLetter",
        "The original value, byte for byte. The headers say what went wrong.",
        None,
    ),
    "inbound": ("inbound", "A message that an account received.", "inbound"),
    "batches": (
        "batchProgress",
        "The progress of a batch. The last record of a key counts; one without a value removes it.",
        "batch-progress",
    ),
    "accounts": (
        "account",
        "The state of a sending account. The last record of a key counts.",
        "account",
    ),
    "templates": (
        "template",
        "A template in one language. The last record of a key counts, and one without a value removes it.",
        "template",
    ),
    "alerts": (
        "alert",
        "An alert that was raised or cleared. A repeat has the same event_id.",
        "alert",
    ),
}
# The other messages of a topic.
_OTHER_MESSAGES: Final[dict[str, tuple[tuple[str, str, str | None], ...]]] = {
    "outbound": (
        ("batch", "Requests many messages.", "batch"),
        ("cancel", "Withdraws one message, all of a recipient, or a batch.", "cancel"),
        ("edit", "Gives a message that was sent another text.", "edit"),
        ("revoke", "Deletes a message for everyone.", "revoke"),
        ("consent", "Sets whether a recipient gets marketing messages.", "consent"),
        ("forget", "Forgets a recipient.", "forget"),
    ),
}
_STRING_SCHEMA: Final = {"type": "string"}
_EVENT_HEADERS: Final = (
    "ce_specversion",
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_time",
    "content-type",
)
_TRACE_HEADERS: Final = ("traceparent", "tracestate")
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "request": {
        "type": "object",
        "description": "All are optional. ce_id is the request's id if the body has none.",
        "properties": dict.fromkeys(("ce_id", "content-type", *_TRACE_HEADERS), _STRING_SCHEMA),
    },
    "status": {
        "type": "object",
        "description": f"CloudEvents in binary mode; ce_type is {EVENT_TYPE_PREFIX}<status>.",
        "properties": dict.fromkeys((*_EVENT_HEADERS, *_TRACE_HEADERS), _STRING_SCHEMA),
        "required": list(_EVENT_HEADERS),
    },
    "inbound": {
        "type": "object",
        "description": f"CloudEvents in binary mode; ce_type is {EVENT_TYPE_PREFIX}received.",
        "properties": dict.fromkeys(_EVENT_HEADERS, _STRING_SCHEMA),
        "required": list(_EVENT_HEADERS),
    },
    "deadLetter": {"$ref": "./dead-letter-headers.json"},
}


def build_document() -> dict[str, Any]:
    """Build the document. It omits topics that this version neither reads nor writes."""
    topics = [topic for topic in PUBLIC_TOPICS if topic.name in _MESSAGES]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "wa-streams",
            "version": "1",
            "description": "WhatsApp messages requested through Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "channels": {topic.name: _build_channel(topic) for topic in topics},
        "operations": {_get_operation_name(topic): _build_operation(topic) for topic in topics},
        "components": {
            "messages": {
                message[0]: _build_message(topic, message)
                for topic in topics
                for message in _get_messages(topic)
            }
        },
    }


def _build_channel(topic: Topic) -> dict[str, Any]:
    _, description, _ = _MESSAGES[topic.name]
    kafka: dict[str, Any] = {
        "topicConfiguration": _build_configuration(topic),
        "bindingVersion": _BINDING_VERSION,
    }
    if topic.partitions != "keyed":
        kafka["partitions"] = topic.partitions
    return {
        "address": f"wa.{topic.name}",
        "description": description,
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"} for name, _, _ in _get_messages(topic)
        },
        "bindings": {"kafka": kafka},
    }


def _build_configuration(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "cleanup.policy": ["compact" if topic.compacted else "delete"],
        "max.message.bytes": topic.max_message_bytes,
    }
    if topic.retention_ms is not None:
        configuration["retention.ms"] = topic.retention_ms
    return configuration


def _get_operation_name(topic: Topic) -> str:
    name = _MESSAGES[topic.name][0]
    return f"{_get_action(topic)}{name[0].upper()}{name[1:]}"


def _build_operation(topic: Topic) -> dict[str, Any]:
    channel = f"#/channels/{topic.name}"
    return {
        "action": _get_action(topic),
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name, _, _ in _get_messages(topic)],
    }


def _get_action(topic: Topic) -> str:
    return "receive" if topic.direction == "in" else "send"


def _get_messages(topic: Topic) -> tuple[tuple[str, str, str | None], ...]:
    return _MESSAGES[topic.name], *_OTHER_MESSAGES.get(topic.name, ())


def _build_message(topic: Topic, described: tuple[str, str, str | None]) -> dict[str, Any]:
    name, description, schema = described
    key = {"type": "string", "description": topic.key}
    message: dict[str, Any] = {
        "name": name,
        "summary": description,
        "contentType": _JSON if schema else "application/octet-stream",
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING_VERSION}},
    }
    if schema:
        message["payload"] = {"$ref": f"./{schema}.json"}
    if name in _HEADERS:
        message["headers"] = _HEADERS[name]
    return message
