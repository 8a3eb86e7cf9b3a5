"""Rewrites msgspec's error messages as `field: what is wrong`. Never repeats a value of the caller.

The details of errors are published, so a value could reveal a phone number or a text. The name of a
field is safe: it is one of the contract's names, or the caller's own key.
"""

import re
from collections.abc import Mapping, Sequence

import msgspec

_COMPLAINT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_NOT_BLANK = r"matching regex '\\S'"
# msgspec says it in Python's words; callers write JSON, in any language.
_JSON_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "datetime": "date-time",
}
_TYPES = re.compile(r"(?:expected|got) `[^`]*`")
_TYPE = re.compile(rf"\b({'|'.join(_JSON_TYPES)})\b")
_LENGTH = re.compile(r"of length (<=|>=) (\d+)")


def describe(error: msgspec.ValidationError, allowed_values: Mapping[str, Sequence[str]]) -> str:
    """The detail of an error. `allowed_values` maps a field (`content.type`) to its possible values."""
    parts = _COMPLAINT.fullmatch(str(error))
    assert parts is not None  # the pattern matches any text
    complaint, path = parts["what"], parts["path"] or ""
    missing = _MISSING.fullmatch(complaint)
    if missing:
        return f"{path}.{missing[1]}: is missing".removeprefix(".")
    if path in allowed_values:
        return f"{path}: must be one of {', '.join(allowed_values[path])}"
    if complaint[:1].islower():  # from a `__post_init__`: it begins with the field's name
        return f"{path}.{complaint}".removeprefix(".")
    description = f"{complaint[:1].lower()}{complaint[1:]}".replace(_NOT_BLANK, "that is not blank")
    return f"{path or 'the record'}: {_in_terms_of_json(description)}"


def _in_terms_of_json(description: str) -> str:
    def name_types(types: re.Match[str]) -> str:
        return _TYPE.sub(lambda match: _JSON_TYPES[match[1]], types[0])

    def name_length(match: re.Match[str]) -> str:
        return f"of at {'most' if match[1] == '<=' else 'least'} {match[2]} characters"

    return _LENGTH.sub(name_length, _TYPES.sub(name_types, description))
