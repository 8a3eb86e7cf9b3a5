"""Builds the OpenAPI 3.1 document of the HTTP API (docs/console.md). Writes no file.

The bodies are the JSON Schemas of the records, with their definitions moved to `components`.
"""

from typing import Any, Final, cast, get_args

from streams.contract.account import AccountState
from streams.contract.export import json_schema
from streams.contract.request.kinds import MAX_MEMBERS
from streams.contract.request.media import MAX_MB_BY_KIND

Schema = dict[str, Any]

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_COMPONENTS: Final = "#/components/schemas/"
_PROBLEMS: Final = {
    400: "The body, the query or a header cannot be read.",
    401: "A token is needed.",
    403: "The token may not do this, or the request comes from a page of another site.",
    404: "Nothing is known of this message.",
    408: "The body did not arrive in time.",
    413: "It is too large.",
    415: "The content type is not accepted.",
    422: "The request breaks the contract, or the file is not what it is said to be.",
    429: "Too much at a time. `Retry-After` says how many seconds to wait.",
    501: "Uploads are turned off here.",
    503: "Kafka does not answer, or has not confirmed the requests. It may have them: repeat with the same ids. "
    "Of an upload: the store of the files does not answer, or refuses the file.",
    507: "The disk is almost full, or the file cannot be written.",
}
_ACCESS: Final = (400, 401, 403, 503)
_TEXT: Final = {"type": "string"}


def build_document() -> Schema:
    """Build the document."""
    records = json_schema.build_schemas()
    schemas: Schema = {"Problem": _build_problem(), "MessageReference": _build_reference()}
    for name in ("request", "status", "account"):
        _add_record(schemas, records[name])
    _restrict_request(schemas["Request"])
    schemas["Message"] = _build_message()
    schemas["Account"] = _build_account(schemas.pop("AccountRecord"))
    schemas["Upload"] = _build_upload()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wa-streams",
            "version": "1",
            "description": "WhatsApp messages requested over HTTP. What happens to them is on Kafka, and in webhooks.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}, {}],
        "paths": _build_paths(),
        "components": {
            "schemas": schemas,
            "responses": {str(status): _build_response(status) for status in _PROBLEMS},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "WA_CONSOLE_VIEW_TOKEN or WA_CONSOLE_OPERATE_TOKEN. None on loopback without them.",
                }
            },
        },
    }


def _build_paths() -> Schema:
    return {
        "/api/messages": {"post": _build_send()},
        "/api/messages/{to}/{id}": {"get": _build_find()},
        "/api/accounts": {
            "get": _operation(
                "listAccounts",
                "Each account: its last record, with its state now.",
                {"200": _answer("The accounts.", _list_of("accounts", "Account"))},
                _ACCESS,
            )
        },
        "/api/media": {"post": _build_upload_operation()},
        "/api/openapi.json": {
            "get": _operation(
                "describe",
                "This document.",
                {"200": _answer("OpenAPI.", {"type": "object"})},
                _ACCESS,
            )
        },
    }


def _build_send() -> Schema:
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Becomes the id of the request; in an array, `<key>/<index>`.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": 120,
            "pattern": "^[A-Za-z0-9._:/-]+$",
        },
    }
    one = _ref("Request")
    body: Schema = {
        "oneOf": [
            one,
            {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_MEMBERS},
        ]
    }
    answer = {"oneOf": [_ref("MessageReference"), _list_of("messages", "MessageReference")]}
    operation = _operation(
        "sendMessages",
        "Produce a request, or an array of them, all or none. Answers once Kafka has them.",
        {"202": _answer("Kafka has the requests.", answer)},
        (*_ACCESS, 408, 413, 415, 422, 429),
    )
    content = {_JSON: {"schema": body}}
    return operation | {"parameters": [key], "requestBody": {"required": True, "content": content}}


def _build_find() -> Schema:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": text,
            "schema": _TEXT | {"minLength": 1},
        }
        for name, text in (
            ("to", "The recipient, in any notation of the number, or the id of a group."),
            ("id", "The id of the request. It may contain slashes."),
        )
    ]
    operation = _operation(
        "findMessage",
        "The last status event of a message, and all of them.",
        {"200": _answer("What is known of it.", _ref("Message"))},
        (*_ACCESS, 404),
    )
    return operation | {"parameters": parameters}


def _build_upload_operation() -> Schema:
    parameters = [
        {
            "name": "kind",
            "in": "query",
            "description": "What the file is to be sent as. Without it, the bytes decide.",
            "schema": {"type": "string", "enum": list(MAX_MB_BY_KIND)},
        },
        {
            "name": "filename",
            "in": "query",
            "description": "The name that the recipient of a document sees.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        },
    ]
    operation = _operation(
        "uploadMedia",
        "Store a file, and get a reference to it for a message.",
        {"201": _answer("The file is stored.", _ref("Upload"))},
        (*_ACCESS, 408, 413, 415, 422, 429, 501, 507),
    )
    body: Schema = {"required": True, "content": {"application/octet-stream": {"schema": {}}}}
    return operation | {"parameters": parameters, "requestBody": body}


def _operation(name: str, summary: str, answers: Schema, statuses: tuple[int, ...]) -> Schema:
    problems = {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)
    }
    return {"operationId": name, "summary": summary, "responses": answers | problems}


def _answer(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _build_response(status: int) -> Schema:
    content = {_PROBLEM: {"schema": _ref("Problem")}}
    return {"description": _PROBLEMS[status], "content": content}


def _ref(name: str) -> Schema:
    return {"$ref": _COMPONENTS + name}


def _list_of(field: str, name: str) -> Schema:
    items = {"type": "array", "items": _ref(name)}
    return {"type": "object", "required": [field], "properties": {field: items}}


# -- schemas


def _add_record(schemas: Schema, record: Schema) -> None:
    """Add the schema of a record under its title, and its definitions beside it."""
    definitions = record.get("$defs", {})
    body = {key: value for key, value in record.items() if key not in ("$schema", "$id", "$defs")}
    for name, schema in {record["title"]: body, **definitions}.items():
        moved = _move_references(schema)
        if schemas.setdefault(name, moved) != moved:
            raise ValueError(f"two schemas have the name {name}")


def _move_references(node: Any) -> Any:
    if isinstance(node, list):
        return [_move_references(item) for item in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    return {
        key: value.replace("#/$defs/", _COMPONENTS) if key == "$ref" else _move_references(value)
        for key, value in cast(Schema, node).items()
    }


def _restrict_request(schema: Schema) -> None:
    """Over HTTP, only messages are sent, and an unknown field is refused: a mistyped one would be lost."""
    schema["description"] = "A request for one message. A field that is null counts as absent."
    del schema["properties"]["type"]
    schema["additionalProperties"] = False


def _build_problem() -> Schema:
    return {
        "title": "Problem",
        "description": "A problem document (RFC 9457).",
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT | {"description": "What is wrong, in one line."},
            "code": _TEXT | {"description": "An error code of the contract."},
            "field": _TEXT | {"description": "The field that is wrong."},
            "index": {"type": "integer", "description": "The request in the array that is wrong."},
            "messages": {"type": "array", "items": _ref("MessageReference")},
        },
    }


def _build_reference() -> Schema:
    return {
        "title": "MessageReference",
        "type": "object",
        "required": ["id", "to"],
        "properties": {"id": _TEXT, "to": _TEXT | {"description": "As in the request."}},
    }


def _build_message() -> Schema:
    events = {"type": "array", "items": _ref("StatusEvent")}
    rest = {"type": "object", "required": ["events"], "properties": {"events": events}}
    return {"title": "Message", "allOf": [_ref("StatusEvent"), rest]}


def _build_account(record: Schema) -> Schema:
    """An account without a record has a name, a state and a reason."""
    states = [
        *get_args(AccountState),
        "down",
    ]  # its sender is silent (streams/observability/account_status.py)
    properties = record["properties"] | {
        "state": {"type": "string", "enum": states, "description": "Its state now."},
        "stale": {"type": "boolean", "description": "Its sender is silent."},
        "heartbeat_age_s": {"type": "number"},
        "reason": {"type": ["string", "null"], "description": "Why it has this state."},
    }
    required = ["account", "state", "reason", "stale"]
    return record | {"title": "Account", "properties": properties, "required": required}


def _build_upload() -> Schema:
    return {
        "title": "Upload",
        "type": "object",
        "required": ["url", "mime", "size", "sha256", "expires_at", "content"],
        "properties": {
            "url": _TEXT | {"description": "The `url` of a content."},
            "mime": _TEXT,
            "size": {"type": "integer", "minimum": 1},
            "sha256": _TEXT | {"pattern": "^[0-9a-f]{64}$"},
            "expires_at": _TEXT | {"format": "date-time"},
            "content": {"type": "object", "description": "The `content` of a request."},
        },
    }
