"""Rewrites a schema so that the tools of every language can read it. What it accepts does not change.

Validators have different dialects of regular expressions (ECMA-262, RE2, Python's, Rust's) and reject
keywords that JSON Schema does not have (`discriminator`). Generators name a class after its key in `$defs`.
"""

import re
from typing import Any, Final, TypeAlias, cast

Schema: TypeAlias = dict[str, Any]

# Python's `$` also matches before a line break at the end, so patterns for Python exclude it. Other dialects
# do not need this, and RE2 has no look-ahead.
_NO_LINE_BREAK: Final = r"(?!\n)"
# Python's white space, character by character: RE2's `\s` is ASCII only, ECMA-262's includes U+FEFF.
_SPACE: Final = r"\t-\r\x1c-\x20\x85\xa0" + "\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNICODE_ESCAPE: Final = re.compile(r"\\u([0-9a-f]{4})")


def portable(schema: Schema) -> Schema:
    """The schema, in terms that all tools share. An enum with a title becomes its own definition."""
    enums: dict[str, Schema] = {}
    written = cast(Schema, _rewritten(schema, enums))
    if enums:
        written["$defs"] = written.get("$defs", {}) | enums
    return written


def _rewritten(node: object, enums: dict[str, Schema]) -> object:
    if isinstance(node, list):
        return [_rewritten(item, enums) for item in cast(list[object], node)]
    if not isinstance(node, dict):
        return node
    schema = {key: _rewritten(value, enums) for key, value in cast(Schema, node).items()}
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        schema |= _pattern(pattern)
    if isinstance(schema.get("anyOf"), list):
        schema = _union(schema)
    if isinstance(schema.get("enum"), list):
        schema = _enum(schema, enums)
    return schema


def _pattern(pattern: str) -> Schema:
    """A pattern for every dialect. `not` excludes the line break before which Python's `$` matches."""
    text = pattern.removesuffix(_NO_LINE_BREAK)
    is_anchored = text.endswith("$")
    text = text.replace(r"\S", f"[^{_SPACE}]").replace(r"\s", _SPACE)
    text = _UNICODE_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    return {"pattern": text, "not": {"pattern": r"\n"}} if is_anchored else {"pattern": text}


def _union(schema: Schema) -> Schema:
    """One flat list of kinds. The constant `type` of each kind says which one is meant."""
    kinds: list[Schema] = []
    for kind in schema["anyOf"]:
        nested = kind.keys() <= {"anyOf", "discriminator"}
        kinds += kind["anyOf"] if nested else [kind]
    return schema | {"anyOf": kinds}


def _enum(schema: Schema, enums: dict[str, Schema]) -> Schema:
    """An enum of one word becomes a constant. An enum with a title is defined once, under this title."""
    words, rest = schema["enum"], {key: value for key, value in schema.items() if key != "enum"}
    if len(words) == 1:
        return rest | {"type": "string", "const": words[0]}
    if "title" not in rest:
        return rest | {"type": "string", "enum": words}
    definition = rest | {"type": "string", "enum": words}
    if enums.setdefault(rest["title"], definition) != definition:
        raise ValueError(f"two enums have the title {rest['title']}")
    return {"$ref": f"#/$defs/{rest['title']}"}
