"""Shows settings: as rows, as a Markdown page, as the environment of a child process. Secrets are masked.

Only `to_environment` gives secrets away, because a child process needs them.
"""

from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

from streams.settings.conversion import MASK
from streams.settings.groups import GROUPS, Settings, variable_name
from streams.settings.sources import CONFIG_VARIABLE, DEFAULT_CONFIG

_MARKDOWN_INTRODUCTION: Final = f"""\
# Settings

<!-- Written by `python -m streams.settings --markdown`; do not edit. -->

Settings are environment variables. The TOML file `{DEFAULT_CONFIG}` in the working folder, or the file that
`{CONFIG_VARIABLE}` names, may hold the same names, written as here or without `WA_` and in lower case, at the top or
in a table per group (for example `[kafka]`). A switch is `true`, `on` or `yes`, or `false`, `off` or `no`. Upper and
lower case do not matter in switches, levels, protocols and countries. A command's options win over variables, variables
over the file, the file over the defaults. A `WA_…` variable that is not a setting is refused. `wa-streams config`
prints the values in force.
"""


def describe(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with its group, variable, value, default and meaning; secrets are masked."""
    return [
        {
            "group": group,
            "variable": variable_name(setting.name),
            "value": _show(getattr(settings, setting.name), setting.metadata["secret"]),
            "default": _show(setting.default, is_secret=False),
            "meaning": setting.metadata["meaning"],
        }
        for group, setting in iterate_settings()
    ]


def iterate_settings() -> Iterator[tuple[str, Field[Any]]]:
    """Every group's name and setting, in the order of the groups."""
    for group, class_ in GROUPS.items():
        for setting in fields(class_):
            yield group, setting


def to_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, for the processes that `up` starts."""
    variables: dict[str, str] = {}
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if value is not None and value != setting.default:
            is_list = isinstance(value, tuple)
            text = setting.metadata["separator"].join(value) if is_list else str(value)
            variables[variable_name(setting.name)] = text
    return variables


def render_markdown() -> str:
    """The page `docs/settings.md`."""
    parts = [_MARKDOWN_INTRODUCTION]
    for group, class_ in GROUPS.items():
        lines = [f"## {group}", "", str(class_.__doc__), "", "| setting | default | meaning |"]
        lines.append("|---|---|---|")
        for setting in fields(class_):
            default = (
                f"`{_show_default(setting.default)}`" if setting.default is not None else "none"
            )
            meaning = setting.metadata["meaning"].replace("` | `", "` \\| `")
            lines.append(f"| `{variable_name(setting.name)}` | {default} | {meaning} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _show_default(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _show(value: Any, is_secret: bool) -> Any:
    if is_secret and value:
        return MASK
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
