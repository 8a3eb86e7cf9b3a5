"""Turns raw values into the types of the settings, and says in one line what is wrong with a value.

msgspec converts and checks the bounds; secrets are never shown.
"""

from collections.abc import Callable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from streams.settings.groups import Settings
from streams.settings.sources import RawValue
from streams.settings.types import Region, SettingError

_BOOLEANS: Final = {
    "true": True, "on": True, "yes": True, "1": True,
    "false": False, "off": False, "no": False, "0": False,
}  # fmt: skip
MASK: Final = "********"  # shown instead of a secret
_MAX_SHOWN: Final = 80  # characters of a wrong value


class Converter:
    """The converter that typed-settings calls for each value. Keeps a line for each wrong one."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def structure(self, obj: Any, cl: type[Any]) -> Any:
        """The value as this type; a default is one already. Called last with all values of a class.

        Raises:
            SettingError: the value does not fit.
        """
        if cl is Settings:
            return Settings(**obj)
        if cl is Path:
            return self._to_path(obj)
        if not isinstance(obj, RawValue):
            return obj
        try:
            return msgspec.convert(normalize(obj.value, cl), cl, strict=False)
        except msgspec.ValidationError as error:
            raise self._make_error(obj, f"must be {describe_type(cl)}") from error

    def _to_path(self, obj: Any) -> Path:
        try:
            return Path(obj.value if isinstance(obj, RawValue) else obj).expanduser().resolve()
        except (TypeError, ValueError, RuntimeError, OSError) as error:
            raw = obj if isinstance(obj, RawValue) else RawValue("a default", obj, is_secret=False)
            raise self._make_error(
                raw, f"must be a path; write an absolute one ({error})"
            ) from error

    def _make_error(self, raw: RawValue, requirement: str) -> SettingError:
        problem = f"{raw.label}={_show(raw)}: {requirement}"
        self.problems.append(problem)
        return SettingError(problem)

    def get_structure_hook(self, cl: type[Any]) -> Callable[..., Any]:
        """Called by typed-settings."""
        return self.structure


def normalize(value: Any, type_: Any) -> Any:
    """The value as the type writes it: `on` is true, `Sasl_ssl` is SASL_SSL, `my` is MY.

    Only where a type has few values, or one case, is a text changed.
    """
    if not isinstance(value, str):
        return value
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in (Union, UnionType):
        return normalize(value, arguments[0])
    text = value.strip()
    if type_ is bool:
        return _BOOLEANS.get(text.lower(), value)
    if type_ == Region:
        return text.upper()
    if origin is Literal:
        return next((name for name in arguments if name.lower() == text.lower()), value)
    return value


def describe_type(type_: Any) -> str:
    """What completes "must be …" for a value of this type."""
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return next(meta.description for meta in type_.__metadata__ if meta.description)
    if origin in (Union, UnionType):
        return describe_type(arguments[0])
    if origin is Literal:
        return f"one of {', '.join(arguments)}"
    if origin is tuple:
        return f"a list in which each item is {describe_type(arguments[0])}"
    return "true or false" if type_ is bool else "text"


def _show(raw: RawValue) -> str:
    if raw.is_secret:
        return MASK
    items = raw.value if isinstance(raw.value, list) else [raw.value]
    text = " ".join(",".join(map(str, items)).split())
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
