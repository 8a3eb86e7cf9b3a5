"""The page of the topics: the channels of `schemas/asyncapi.json`, with what each carries and how long it is kept."""

import json
from typing import Any, Final

from docs.generate.markdown import code, page, table
from docs.generate.records import SCHEMAS

_DAY_MS: Final = 86_400_000
_MIB: Final = 1_048_576
_INTRODUCTION: Final = """\
The public topics as [`schemas/asyncapi.json`](../../schemas/asyncapi.json) describes them (AsyncAPI 3). The name before
the first dot is `WA_TOPIC_PREFIX`. [The contract](../contract.md#topics) has the keys and the internal topics.
The HTTP API is described by [`schemas/openapi.json`](../../schemas/openapi.json) (OpenAPI)."""


def render_topics() -> str:
    """The page."""
    document = json.loads((SCHEMAS / "asyncapi.json").read_text())
    directions = _directions(document)
    rows = [
        _row(name, channel, directions, document["components"]["messages"])
        for name, channel in document["channels"].items()
    ]
    head = ("topic", "direction", "messages", "kept", "largest record", "meaning")
    return page("Topics", _INTRODUCTION, table(head, rows))


def _directions(document: dict[str, Any]) -> dict[str, str]:
    """Whether wa-streams reads a channel (in) or writes it (out)."""
    words = {"receive": "in", "send": "out"}
    return {
        _last(operation["channel"]["$ref"]): words[operation["action"]]
        for operation in document["operations"].values()
    }


def _row(
    name: str, channel: dict[str, Any], directions: dict[str, str], messages: dict[str, Any]
) -> tuple[str, ...]:
    config = channel.get("bindings", {}).get("kafka", {}).get("topicConfiguration", {})
    carried = [messages[_last(item["$ref"])] for item in channel["messages"].values()]
    return (
        code(channel["address"]),
        directions.get(name, ""),
        ", ".join(str(message.get("name", message.get("title", ""))) for message in carried),
        _retention(config),
        f"{config['max.message.bytes'] / _MIB:g} MiB" if "max.message.bytes" in config else "",
        channel.get("description", ""),
    )


def _retention(config: dict[str, Any]) -> str:
    if "compact" in config.get("cleanup.policy", ()):
        return "last record of each key"
    return f"{config['retention.ms'] // _DAY_MS} days" if "retention.ms" in config else ""


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
