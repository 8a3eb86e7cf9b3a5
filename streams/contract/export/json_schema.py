"""Builds JSON Schemas (draft 2020-12) of the records from the types that read and write them. Writes no file.

This file adds what types cannot express (fields that exclude each other, features that are not built yet), so
that a schema accepts what wa-streams accepts, as far as JSON Schema can express it. A title is the class name
that generators use in other languages. `portable.py` then rewrites the schema so that every tool can read it.
"""

from typing import Any, Final, TypeAlias, cast

import msgspec

from streams.contract.account import AccountRecord
from streams.contract.alerts.record import AlertRecord
from streams.contract.batch import BatchProgress
from streams.contract.dead_letter import DeadLetterInfo
from streams.contract.export.portable import portable
from streams.contract.inbound import InboundMessage
from streams.contract.request.changes import EditForm, RevokeForm
from streams.contract.request.content import MEDIA_CLASSES
from streams.contract.request.form import RequestForm
from streams.contract.request.kinds import BatchForm, CancelForm, ConsentForm, ForgetForm
from streams.contract.status import StatusEvent
from streams.contract.template import TemplateRecord

Schema: TypeAlias = dict[str, Any]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
# For each record: its type, its class name in other languages, and its topic.
_RECORDS: Final[dict[str, tuple[type[msgspec.Struct], str, str]]] = {
    "request": (RequestForm, "Request", "A record of wa.outbound."),
    "batch": (BatchForm, "BatchRequest", "A record of wa.outbound."),
    "cancel": (CancelForm, "CancelRequest", "A record of wa.outbound."),
    "edit": (EditForm, "EditRequest", "A record of wa.outbound."),
    "revoke": (RevokeForm, "RevokeRequest", "A record of wa.outbound."),
    "consent": (ConsentForm, "ConsentRequest", "A record of wa.outbound."),
    "forget": (ForgetForm, "ForgetRequest", "A record of wa.outbound."),
    "batch-progress": (BatchProgress, "BatchProgress", "A record of wa.batches."),
    "status": (StatusEvent, "StatusEvent", "A record of wa.status."),
    "dead-letter-headers": (DeadLetterInfo, "DeadLetterHeaders", "Added to a record of wa.dlq."),
    "account": (AccountRecord, "AccountRecord", "A record of wa.accounts."),
    "alert": (AlertRecord, "AlertRecord", "A record of wa.alerts."),
    "template": (TemplateRecord, "Template", "A record of wa.templates."),
    "inbound": (InboundMessage, "InboundMessage", "A record of wa.inbound."),
}
_NUL: Final = {"pattern": r"\x00"}
_NULL: Final = {"type": "null"}


def build_schemas() -> dict[str, Schema]:
    """The schema of each kind of record, by its file name without `.json`."""
    by_name = {name: _build_schema(name, *record) for name, record in _RECORDS.items()}
    _complete_request(by_name["request"])
    _complete_headers(by_name["dead-letter-headers"])
    return {name: portable(schema) for name, schema in by_name.items()}


def _build_schema(name: str, type_: type[msgspec.Struct], title: str, topic: str) -> Schema:
    (root,), definitions = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    for definition in definitions.values():
        _describe_tag(definition)
    body = definitions.pop(root["$ref"].rpartition("/")[2])
    head = {"$schema": _DRAFT, "$id": f"urn:wa-streams:{name}:1"}
    tail = {"$defs": definitions} if definitions else {}
    return head | body | {"title": title, "description": f"{body['description']} {topic}"} | tail


def _describe_tag(definition: Schema) -> None:
    """The field that tells a kind of content from the others comes from the struct's tag, without a meaning."""
    tag = definition.get("properties", {}).get("type", {})
    if len(tag.get("enum", ())) == 1:
        tag.setdefault("description", "The kind of content.")


def _complete_request(schema: Schema) -> None:
    """Add the fields that exclude each other, and the other kinds of request."""
    schema["properties"]["type"] = {"type": "null", "description": "A message has no type."}
    schema["properties"]["content"]["description"] = "What is sent."
    schema["allOf"] = [
        _exactly_one("to", "phoneNumber"),
        _exactly_one("content", "text", "message"),
        {"if": _require_non_null("expires_at"), "then": _absent("ttl_s")},
    ]
    definitions = schema["$defs"]
    for media in MEDIA_CLASSES:
        definitions[media.__name__] |= _exactly_one("data", "url")
    _name_type_enums(schema)
    _forbid_nul(schema)


def _name_type_enums(schema: Schema) -> None:
    """In some languages, the constant `type` of each kind becomes an enum, which needs its own name."""
    for reference in _content_union(schema):
        kind = schema["$defs"][reference["$ref"].rpartition("/")[2]]
        kind["properties"]["type"]["title"] = f"{kind['title']}Type"


def _content_union(schema: Schema) -> list[Schema]:
    """The references to the kinds of content. msgspec keeps null separate from them."""
    return next(
        variant["anyOf"]
        for variant in schema["properties"]["content"]["anyOf"]
        if "anyOf" in variant
    )


def _forbid_nul(schema: object) -> None:
    """Forbid NUL in every text that may contain any character."""
    if isinstance(schema, list):
        for item in cast(list[object], schema):
            _forbid_nul(item)
    elif isinstance(schema, dict):
        node = cast(Schema, schema)
        # An anchored pattern lists the characters that it allows.
        if node.get("type") == "string" and not node.get("pattern", "").startswith("^"):
            node["not"] = _NUL
        _forbid_nul(list(node.values()))


def _complete_headers(schema: Schema) -> None:
    """A header is text, so a number becomes a string of digits."""
    for field in schema["properties"].values():
        if field.get("type") == "integer":
            field.pop("minimum", None)
            field |= {"type": "string", "pattern": "^[0-9]+$"}


def _exactly_one(first: str, *others: str) -> Schema:
    """Exactly one of these fields is given. With `if`, errors name the field, and generators make no class."""
    rest = _exactly_one(*others) if len(others) > 1 else {}
    return {"if": _absent(*others), "then": _require_non_null(first), "else": _absent(first) | rest}


def _require_non_null(name: str) -> Schema:
    """The field is present and not null."""
    return {"required": [name], "properties": {name: {"not": _NULL}}}


def _absent(*names: str) -> Schema:
    """The fields are absent or null."""
    return {"properties": dict.fromkeys(names, _NULL)}
