"""The AsyncAPI 3 document: topics, messages and headers, as seen from wa-streams.

Payloads are the JSON Schemas beside it. The names of topics are those with the default prefix.
"""

from typing import Any, Final

from streams.contract.status import EVENT_TYPE, FINAL
from streams.contract.topics import PUBLIC, Topic

_BINDING: Final = "0.5.0"
_JSON: Final = "application/json"

# Of each topic: its message, what it is for, and the file of its payload's schema.
_MESSAGES: Final[dict[str, tuple[str, str, str | None]]] = {
    "outbound": (
        "request",
        "Asks for a message. CloudEvents in binary and structured mode too.",
        "request",
    ),
    "status": (
        "status",
        f"What happened to a request. Final are {', '.join(sorted(FINAL))}.",
        "status",
    ),
    "dlq": (
        "deadLetter",
        "The original value, byte for byte; the headers say what went wrong.",
        None,
    ),
    "inbound": ("inbound", "A message that somebody wrote to an account.", "inbound"),
    "accounts": (
        "account",
        "The state of a sending account; the last record of a key counts.",
        "account",
    ),
}
_TEXT: Final = {"type": "string"}
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
        "description": "All optional. ce_id is the request's id where the body has none.",
        "properties": dict.fromkeys(("ce_id", "content-type", *_TRACE_HEADERS), _TEXT),
    },
    "status": {
        "type": "object",
        "description": f"CloudEvents in binary mode; ce_type is {EVENT_TYPE}<status>.",
        "properties": dict.fromkeys((*_EVENT_HEADERS, *_TRACE_HEADERS), _TEXT),
        "required": list(_EVENT_HEADERS),
    },
    "inbound": {
        "type": "object",
        "description": f"CloudEvents in binary mode; ce_type is {EVENT_TYPE}received.",
        "properties": dict.fromkeys(_EVENT_HEADERS, _TEXT),
        "required": list(_EVENT_HEADERS),
    },
    "deadLetter": {"$ref": "./dead-letter-headers.json"},
}


def document() -> dict[str, Any]:
    """The document. A topic that this version neither reads nor writes is not in it."""
    topics = [topic for topic in PUBLIC if topic.name in _MESSAGES]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "wa-streams",
            "version": "1",
            "description": "WhatsApp messages asked for through Kafka.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {_operation_name(topic): _operation(topic) for topic in topics},
        "components": {"messages": {_MESSAGES[topic.name][0]: _message(topic) for topic in topics}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    name, meaning, _ = _MESSAGES[topic.name]
    kafka: dict[str, Any] = {
        "topicConfiguration": _configuration(topic),
        "bindingVersion": _BINDING,
    }
    if topic.partitions != "keyed":
        kafka["partitions"] = topic.partitions
    return {
        "address": f"wa.{topic.name}",
        "description": meaning,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"kafka": kafka},
    }


def _configuration(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "cleanup.policy": ["compact" if topic.compacted else "delete"],
        "max.message.bytes": topic.max_message_bytes,
    }
    if topic.retention_ms is not None:
        configuration["retention.ms"] = topic.retention_ms
    return configuration


def _operation_name(topic: Topic) -> str:
    name = _MESSAGES[topic.name][0]
    return f"{_action(topic)}{name[0].upper()}{name[1:]}"


def _operation(topic: Topic) -> dict[str, Any]:
    name = _MESSAGES[topic.name][0]
    channel = f"#/channels/{topic.name}"
    return {
        "action": _action(topic),
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"}],
    }


def _action(topic: Topic) -> str:
    return "receive" if topic.direction == "in" else "send"


def _message(topic: Topic) -> dict[str, Any]:
    name, meaning, schema = _MESSAGES[topic.name]
    key = {"type": "string", "description": topic.key}
    message: dict[str, Any] = {
        "name": name,
        "summary": meaning,
        "contentType": _JSON if schema else "application/octet-stream",
        "bindings": {"kafka": {"key": key, "bindingVersion": _BINDING}},
    }
    if schema:
        message["payload"] = {"$ref": f"./{schema}.json"}
    if name in _HEADERS:
        message["headers"] = _HEADERS[name]
    return message
