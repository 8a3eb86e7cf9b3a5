"""JSON Schemas (draft 2020-12) of the records, made from the types that read and write them.

What types cannot say (only one of two fields, what is not done yet) is added here, so that a schema
accepts what wa-streams accepts, as far as JSON Schema can express it.
"""

from typing import Any, Final, TypeAlias, cast

import msgspec

from streams.contract.account import AccountRecord
from streams.contract.dead_letter import About
from streams.contract.inbound import InboundMessage
from streams.contract.request.content import MEDIA, NOT_BLANK
from streams.contract.request.form import Form
from streams.contract.request.not_built_yet import NOT_YET
from streams.contract.status import StatusEvent

Schema: TypeAlias = dict[str, Any]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_RECORDS: Final[dict[str, tuple[type[msgspec.Struct], str]]] = {
    "request": (Form, "A request for a message, a record of wa.outbound"),
    "status": (StatusEvent, "A status event, a record of wa.status"),
    "dead-letter-headers": (About, "The headers that wa-streams adds to a record of wa.dlq"),
    "account": (AccountRecord, "The state of a sending account, a record of wa.accounts"),
    "inbound": (InboundMessage, "A message received, a record of wa.inbound"),
}
_NUL: Final = {"pattern": "\\u0000"}


def schemas() -> dict[str, Schema]:
    """The schema of each kind of record, by the name of its file without `.json`."""
    made = {name: _schema(name, type_, title) for name, (type_, title) in _RECORDS.items()}
    _complete_request(made["request"])
    _complete_headers(made["dead-letter-headers"])
    return made


def _schema(name: str, type_: type[msgspec.Struct], title: str) -> Schema:
    (root,), others = msgspec.json.schema_components([type_], ref_template="#/$defs/{name}")
    body = others.pop(root["$ref"].rpartition("/")[2])
    head = {"$schema": _DRAFT, "$id": f"urn:wa-streams:{name}:1"}
    tail = {"$defs": others} if others else {}
    return head | body | {"title": title} | tail


def _complete_request(schema: Schema) -> None:
    """Fields that exclude each other, other kinds of request, and what is not done yet."""
    schema["properties"]["type"] = {"type": "null", "description": "A message has no type."}
    schema["allOf"] = [
        _exactly_one("to", "phoneNumber"),
        _exactly_one("content", "text", "message"),
        {"not": {"allOf": [_given("expires_at"), _given("ttl_s")]}},
    ]
    kinds = schema["$defs"]
    for media in MEDIA:
        _complete_media(kinds[media.__name__])
    if "template" in NOT_YET:
        _drop_kind(schema, "Template", "template")
    _forbid_nul(schema)


def _complete_media(kind: Schema) -> None:
    kind["oneOf"] = [_given("data"), _given("url")]
    if "url" in NOT_YET:
        later = "Not supported by this version yet."
        kind["properties"]["url"] = {"type": "null", "description": later}


def _drop_kind(schema: Schema, name: str, tag: str) -> None:
    del schema["$defs"][name]
    for union in schema["properties"]["content"]["anyOf"]:
        if "discriminator" in union:
            del union["discriminator"]["mapping"][tag]
            union["anyOf"].remove({"$ref": f"#/$defs/{name}"})


def _forbid_nul(schema: object) -> None:
    """In every text that may have any character."""
    if isinstance(schema, list):
        for each in cast(list[object], schema):
            _forbid_nul(each)
    elif isinstance(schema, dict):
        known = cast(Schema, schema)
        if known.get("type") == "string" and known.get("pattern", NOT_BLANK) == NOT_BLANK:
            known["not"] = _NUL
        _forbid_nul(list(known.values()))


def _complete_headers(schema: Schema) -> None:
    """A header is text; and a record may have headers of its own besides."""
    for field in schema["properties"].values():
        if field.get("type") == "integer":
            field.pop("minimum", None)
            field |= {"type": "string", "pattern": "^[0-9]+$"}


def _exactly_one(*names: str) -> Schema:
    return {"oneOf": [_given(name) for name in names]}


def _given(name: str) -> Schema:
    """The field is there and not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}
