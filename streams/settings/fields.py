"""How a setting is declared: a field with its default and its meaning. Declares none, and reads nothing."""

from dataclasses import field
from typing import Any, Final

PREFIX: Final = "WA_"


class SettingError(ValueError):
    """A setting is wrong. The message names it, the value found and what is needed, in one line."""


def setting(default: Any, meaning: str, *, secret: bool = False, separator: str = ",") -> Any:
    """A field; `separator` divides the items of a list in an environment variable."""
    metadata = {"meaning": meaning, "secret": secret, "separator": separator}
    return field(default=default, metadata=metadata, repr=not secret)
