"""JSON Schemas (draft 2020-12) of the records, made from the types that read and write them.

What types cannot say (only one of two fields, what is not done yet) is added here, so that a schema
accepts what wa-streams accepts, as far as JSON Schema can express it.
"""

from typing import Any, Final, TypeAlias, cast

import msgspec

from streams.contract.account import AccountRecord
from streams.contract.dead_letter import DeadLetterInfo
from streams.contract.inbound import InboundMessage
from streams.contract.request.content import MEDIA_CLASSES, NOT_BLANK
from streams.contract.request.form import RequestForm
from streams.contract.request.not_built_yet import UNSUPPORTED_FEATURES
from streams.contract.status import StatusEvent

Schema: TypeAlias = dict[str, Any]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_RECORDS: Final[dict[str, tuple[type[msgspec.Struct], str]]] = {
    "request": (RequestForm, "A request for a message, a record of wa.outbound"),
    "status": (StatusEvent, "A status event, a record of wa.status"),
    "dead-letter-headers": (
        DeadLetterInfo,
        "The headers that wa-streams adds to a record of wa.dlq",
    ),
    "account": (AccountRecord, "The state of a sending account, a record of wa.accounts"),
    "inbound": (InboundMessage, "A message received, a record of wa.inbound"),
}
_NUL: Final = {"pattern": "\\u0000"}


def build_schemas() -> dict[str, Schema]:
    """The schema of each kind of record, by the name of its file without `.json`."""
    by_name = {name: _build_schema(name, type_, title) for name, (type_, title) in _RECORDS.items()}
    _complete_request(by_name["request"])
    _complete_headers(by_name["dead-letter-headers"])
    return by_name


def _build_schema(name: str, type_: type[msgspec.Struct], title: str) -> Schema:
    (root,), definitions = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    body = definitions.pop(root["$ref"].rpartition("/")[2])
    head = {"$schema": _DRAFT, "$id": f"urn:wa-streams:{name}:1"}
    tail = {"$defs": definitions} if definitions else {}
    return head | body | {"title": title} | tail


def _complete_request(schema: Schema) -> None:
    """Fields that exclude each other, other kinds of request, and what is not done yet."""
    schema["properties"]["type"] = {"type": "null", "description": "A message has no type."}
    schema["allOf"] = [
        _exactly_one("to", "phoneNumber"),
        _exactly_one("content", "text", "message"),
        {"not": {"allOf": [_require_non_null("expires_at"), _require_non_null("ttl_s")]}},
    ]
    definitions = schema["$defs"]
    for media in MEDIA_CLASSES:
        _complete_media(definitions[media.__name__])
    if "template" in UNSUPPORTED_FEATURES:
        _drop_kind(schema, "TemplateContent", "template")
    _forbid_nul(schema)


def _complete_media(kind: Schema) -> None:
    kind["oneOf"] = [_require_non_null("data"), _require_non_null("url")]
    if "url" in UNSUPPORTED_FEATURES:
        description = "Not supported by this version yet."
        kind["properties"]["url"] = {"type": "null", "description": description}


def _drop_kind(schema: Schema, name: str, tag: str) -> None:
    del schema["$defs"][name]
    for union in schema["properties"]["content"]["anyOf"]:
        if "discriminator" in union:
            del union["discriminator"]["mapping"][tag]
            union["anyOf"].remove({"$ref": f"#/$defs/{name}"})


def _forbid_nul(schema: object) -> None:
    """In every text that may have any character."""
    if isinstance(schema, list):
        for item in cast(list[object], schema):
            _forbid_nul(item)
    elif isinstance(schema, dict):
        node = cast(Schema, schema)
        if node.get("type") == "string" and node.get("pattern", NOT_BLANK) == NOT_BLANK:
            node["not"] = _NUL
        _forbid_nul(list(node.values()))


def _complete_headers(schema: Schema) -> None:
    """A header is text; and a record may have headers of its own besides."""
    for field in schema["properties"].values():
        if field.get("type") == "integer":
            field.pop("minimum", None)
            field |= {"type": "string", "pattern": "^[0-9]+$"}


def _exactly_one(*names: str) -> Schema:
    return {"oneOf": [_require_non_null(name) for name in names]}


def _require_non_null(name: str) -> Schema:
    """The field is there and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
