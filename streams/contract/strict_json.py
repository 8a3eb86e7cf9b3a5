"""Reads JSON strictly: what two readers could understand differently is refused. Knows no fields.

A record's value must be UTF-8 without a byte order mark, at most 64 levels deep, with no key twice in an
object and no NUL character (databases refuse it, and C libraries end a text at it). Any bytes give a value or
an `InvalidRequest`: the parser is C code that bounds its own depth.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import msgspec

from streams.contract.errors import InvalidRequest

MAX_DEPTH: Final = 64
_BOM = b"\xef\xbb\xbf"
# Used on valid JSON only, where every string ends, so it takes linear time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOO_DEEP = f"the record: is nested deeper than {MAX_DEPTH} levels"
_PLAIN_KEY = re.compile(r"[\w$@-]{1,64}")
_HUGE_NUMBER = object()


def load(value: bytes) -> object:
    """The value of these bytes.

    Raises:
        InvalidRequest: they are not JSON (`malformed_json`), or JSON that is refused (`schema_violation`).
    """
    text = _decode_utf8(value)
    data = _parse(value, text)
    _check_depth(value)
    _check_keys(text)
    if "\\u0000" in text:
        _check_nul(data)
    return data


def _decode_utf8(value: bytes) -> str:
    if not value.strip():
        raise InvalidRequest("malformed_json", "the record: is empty")
    if value.startswith(_BOM):
        raise InvalidRequest("malformed_json", "the record: begins with a byte order mark")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        detail = f"the record: is not UTF-8 ({error.reason} at byte {error.start})"
        raise InvalidRequest("malformed_json", detail) from error


def _parse(value: bytes, text: str) -> object:
    try:
        return msgspec.json.decode(value)
    except RecursionError as error:
        raise InvalidRequest("malformed_json", _TOO_DEEP) from error
    except msgspec.ValidationError as error:  # the syntax is right, and a number is out of range
        detail = f"{_find_huge_number(text)}: is a number that is too large to calculate with"
        raise InvalidRequest("malformed_json", detail) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest("malformed_json", f"the record: is not JSON ({error})") from error


def _check_depth(value: bytes) -> None:
    """Exact, and fast for any input: each round removes the innermost level."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return
    levels = _STRING.sub(b"", value).translate(_TO_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not levels:
            return
        levels = levels.replace(b"[]", b"")
    if levels:
        raise InvalidRequest("malformed_json", _TOO_DEEP)


def _check_keys(text: str) -> None:
    """If a request contains `to` twice, it is not clear which one is meant."""
    _decoder.decode(text)


def _refuse_duplicate_keys(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                detail = f"{_format_key(key)}: occurs twice in the same object"
                raise InvalidRequest("schema_violation", detail)
            seen.add(key)


# Numbers are not converted: only the keys matter.
_decoder = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicate_keys, parse_int=str, parse_float=str
)


def _check_nul(data: object) -> None:
    """The caller saw only a hint: an escaped backslash before `u0000` is not a NUL."""
    path = _find_path(data, lambda value: isinstance(value, str) and "\0" in value)
    if path is not None:
        raise InvalidRequest("schema_violation", f"{path}: contains a NUL character")


def _find_huge_number(text: str) -> str:
    def mark_huge(digits: str) -> object:
        return _HUGE_NUMBER if len(digits) > 4000 or math.isinf(float(digits)) else 0

    try:
        data = json.loads(text, parse_int=mark_huge, parse_float=mark_huge)
    except (RecursionError, ValueError):  # more is wrong after the number
        return "the record"
    return _find_path(data, lambda value: value is _HUGE_NUMBER) or "the record"


def _format_key(key: str) -> str:
    """A key for a detail: on one line, and never empty."""
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key[:64])


def _find_path(data: object, is_wrong: Callable[[object], bool]) -> str | None:
    """The path of the first wrong value or key (`content.options[1]`), or None."""
    pending: list[tuple[str, object]] = [("", data)]
    while pending:
        path, value = pending.pop()
        if is_wrong(value):
            return path or "the record"
        pending.extend(_iter_children(path, value, is_wrong))
    return None


def _iter_children(
    path: str, value: object, is_wrong: Callable[[object], bool]
) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, member in cast(dict[str, Any], value).items():
            name = f"{path}.{_format_key(key)}" if path else _format_key(key)
            # A wrong key is reported by the path of its object.
            yield (path, key) if is_wrong(key) else (name, member)
    elif isinstance(value, list):
        for index, item in enumerate(cast(list[Any], value)):
            yield f"{path}[{index}]", item
