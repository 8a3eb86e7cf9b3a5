"""How a setting is defined: a field with its default, its meaning, and how it is written. Reads nothing.

No settings library is imported here, so that `streams.client` needs none. The settings themselves are in groups.py,
and their types in types.py.
"""

from dataclasses import field
from typing import Any, Final


class SettingError(ValueError):
    """A setting is wrong. The message names it, the value found and what is needed, in one line."""


PREFIX: Final = "WA_"  # of every environment variable


def setting(default: Any, meaning: str, *, secret: bool = False, separator: str = ",") -> Any:
    """A field; `separator` divides the items of a list in an environment variable.

    `meaning` is what `wa-streams config` shows. The value of a secret is never shown.
    Names end in `_s` for seconds and in `_ms` for milliseconds.
    """
    metadata = {"meaning": meaning, "secret": secret, "separator": separator}
    return field(default=default, metadata=metadata, repr=not secret)


def variable_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()
