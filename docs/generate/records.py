"""The page of the records: the fields of each JSON Schema of `schemas/`, with types and meanings.

It shows what a schema says and adds nothing. The files are the source, because these are what other languages read.
"""

import json
from pathlib import Path
from typing import Any, Final

from docs.generate.markdown import code, page, table

SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
_NOT_A_RECORD: Final = {"asyncapi.json", "openapi.json"}
_INTRODUCTION: Final = """\
The fields of every record, from the JSON Schemas in `schemas/`. A field in bold is required. The schemas also hold the
lengths and patterns. [The contract](../contract.md) has the rules that no schema can express."""


def render_records() -> str:
    """The page: a section for each schema, with a table for each object in it."""
    sections: list[str] = []
    for path in sorted(SCHEMAS.glob("*.json")):
        if path.name not in _NOT_A_RECORD:
            sections += _render_schema(path)
    return page("Records", _INTRODUCTION, *sections)


def _render_schema(path: Path) -> list[str]:
    schema = json.loads(path.read_text())
    link = f"[`schemas/{path.name}`](../../schemas/{path.name})"
    parts = [f"## {schema['title']}", f"{schema.get('description', '')} {link}".strip()]
    definitions = schema.get("$defs", {})
    parts.append(_fields(schema, definitions))
    for name, definition in definitions.items():
        if definition.get("properties"):
            parts += [f"**{name}** {definition.get('description', '')}".strip()]
            parts.append(_fields(definition, definitions))
        elif "enum" in definition:
            words = ", ".join(code(str(word)) for word in definition["enum"])
            parts.append(f"**{name}**: {words}")
    return parts


def _fields(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = []
    for name, field in schema["properties"].items():
        title = f"**{code(name)}**" if name in required else code(name)
        rows.append((title, _type(field), _description(field, definitions)))
    return table(("field", "type", "meaning"), rows)


def _branches(field: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a field without null: a field that is null counts as absent."""
    branches = field.get("anyOf", [field])
    return [branch for branch in branches if branch.get("type") != "null"]


def _type(field: dict[str, Any]) -> str:
    return " or ".join(_single_type(branch) for branch in _branches(field))


def _single_type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "const" in field:
        return code(json.dumps(field["const"]))
    if "enum" in field:
        return ", ".join(code(str(word)) for word in field["enum"])
    if field.get("type") == "array":
        return f"array of {_type(field.get('items', {}))}"
    kind = field.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    return f"{kind} ({field['format']})" if "format" in field else str(kind)


def _description(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Of the field itself, or of the one definition that it refers to."""
    branches = _branches(field)
    texts = [branch.get("description", "") for branch in [field, *branches]]
    if len(branches) == 1:
        name = branches[0].get("$ref", "").rpartition("/")[2]
        texts.append(definitions.get(name, {}).get("description", ""))
    return next((text for text in texts if text), "")
