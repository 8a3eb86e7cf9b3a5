"""msgspec's complaints in our words: `field: what is wrong`, without anything that the caller wrote."""

import re
from collections.abc import Mapping, Sequence

import msgspec

_FORM = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_NOT_BLANK = r"matching regex '\\S'"


def describe(error: msgspec.ValidationError, words: Mapping[str, Sequence[str]]) -> str:
    """The detail of an error; `words` are those that a field (`content.type`) may have."""
    found = _FORM.fullmatch(str(error))
    assert found is not None  # the pattern takes any text
    what, path = found["what"], found["path"] or ""
    missing = _MISSING.fullmatch(what)
    if missing:
        return f"{path}.{missing[1]}: is missing".removeprefix(".")
    if path in words:
        return f"{path}: must be one of {', '.join(words[path])}"
    if what[:1].islower():  # from a check of ours: begins with the field's own name
        return f"{path}.{what}".removeprefix(".")
    said = f"{what[:1].lower()}{what[1:]}".replace(_NOT_BLANK, "that is not blank")
    return f"{path or 'the record'}: {said}"
