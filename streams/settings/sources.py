"""Reads the places that settings come from: the TOML file, the environment, a command's options.

Values are not converted here; each one carries the name that an error message must show. An unknown name is
refused, because a mistyped limit would otherwise be ignored, and an account could be banned for it.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from streams.settings.groups import GROUPS, Settings, variable_name
from streams.settings.types import PREFIX, SettingError

CONFIG_VARIABLE: Final = PREFIX + "CONFIG"
DEFAULT_CONFIG: Final = "wa-streams.toml"

# Kubernetes puts these into every container, for each service of its namespace: one called `wa-kafka`
# gives WA_KAFKA_SERVICE_HOST and WA_KAFKA_PORT_9092_TCP_ADDR.
_SERVICE_LINK: Final = re.compile(r"_SERVICE_(HOST|PORT)(_\w+)?$|_PORT(_\d+_(TCP|UDP)(_\w+)?)?$")
_FIELDS: Final = {setting.name: setting for setting in fields(Settings)}
_GROUP_OF: Final = {
    setting.name: group for group, class_ in GROUPS.items() for setting in fields(class_)
}


@dataclass(frozen=True, slots=True)
class RawValue:
    """A value as it was found; `label` names it in messages, for example `WA_MAX_QUEUE`."""

    label: str
    value: Any
    is_secret: bool


Source = dict[str, RawValue]


def read_environment(environ: Mapping[str, str], *, refuse_unknown: bool) -> Source:
    """The variables `WA_…`. An empty one counts as not set."""
    names = {variable_name(name): name for name in _FIELDS}
    if refuse_unknown:
        for variable in environ:
            is_setting = variable in names or variable == CONFIG_VARIABLE
            is_ours = variable.startswith(PREFIX) and not _SERVICE_LINK.search(variable)
            if is_ours and not is_setting:
                raise SettingError(
                    f"{variable}: is not a setting; {_hint(variable, [*names, CONFIG_VARIABLE])}"
                )
    return {
        name: _raw(name, variable, _split(name, environ[variable]))
        for variable, name in names.items()
        if environ.get(variable)
    }


def read_overrides(overrides: Mapping[str, Any]) -> Source:
    """What a command was given; None counts as not given."""
    for name in overrides:
        if name not in _FIELDS:
            raise SettingError(f"{name}: is not a setting; {_hint(name, _FIELDS)}")
    return {
        name: _raw(name, variable_name(name), value)
        for name, value in overrides.items()
        if value is not None
    }


def read_config_file(environ: Mapping[str, str]) -> Source:
    """The file that `WA_CONFIG` names, else `wa-streams.toml` if there is one."""
    configured = environ.get(CONFIG_VARIABLE)
    if configured == "":
        return {}
    path = Path(configured or DEFAULT_CONFIG)
    if path.is_file():
        return _flatten(path, _parse(path))
    if configured:
        raise SettingError(
            f"{CONFIG_VARIABLE}={configured}: must be an existing file; create it or unset the variable"
        )
    return {}


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: is not TOML ({error}); correct it or remove it") from error


def _flatten(path: Path, document: Mapping[str, Any]) -> Source:
    """The settings at the top of the document and those in the tables of the groups."""
    source: Source = {}
    for key, value in document.items():
        is_table = key in GROUPS and isinstance(value, dict)
        for written_name, item in value.items() if is_table else [(key, value)]:
            name = (
                written_name.removeprefix(PREFIX).lower()
                if written_name.isupper()
                else written_name
            )
            if name not in _FIELDS:
                raise SettingError(
                    f"{path}: {written_name} is not a setting; {_hint(name, _FIELDS)}"
                )
            if is_table and _GROUP_OF[name] != key:
                raise SettingError(f"{path}: {name} belongs in [{_GROUP_OF[name]}], not in [{key}]")
            if name in source:
                raise SettingError(f"{path}: {name} is set twice; remove one")
            source[name] = _raw(name, f"{path}: {name}", item)
    return source


def _raw(name: str, label: str, value: Any) -> RawValue:
    return RawValue(label, value, is_secret=_FIELDS[name].metadata["secret"])


def _split(name: str, text: str) -> Any:
    """A list in a variable is one text with separators."""
    setting = _FIELDS[name]
    if not isinstance(setting.default, tuple):
        return text
    items = text.split(setting.metadata["separator"])
    return [item.strip() for item in items if item.strip()]


def _hint(name: str, candidates: Iterable[str]) -> str:
    nearest = get_close_matches(name, candidates, n=1, cutoff=0.0)[0]
    return f"the nearest is {nearest} (`wa-streams config` lists all)"
