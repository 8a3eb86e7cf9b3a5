"""Loads the settings: command options win over environment variables, these over the TOML file, then defaults.

`wa-streams.toml` in the working folder, or the file that `WA_CONFIG` names (empty: no file), has the same
names, with or without `WA_`, if wanted in a table per group. No other module reads a `WA_…`
variable, with two exceptions: `make setup` looks for a browser before there are settings
(WA_BROWSER_EXECUTABLE), and `demo` passes the variables of this machine to `load`, and no others.
Variables of other programs are read where those programs are started: JAVA_HOME (Java),
PLAYWRIGHT_BROWSERS_PATH and PLAYWRIGHT_NODEJS_PATH (Playwright), TMPDIR and XDG_CACHE_HOME (the system).
Child processes inherit the rest of the environment.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_type_hints

from streams.settings.checks import check_kafka, check_settings
from streams.settings.conversion import Converter
from streams.settings.groups import ClientSettings, Settings, variable_name
from streams.settings.sources import (
    Source,
    read_config_file,
    read_environment,
    read_overrides,
)
from streams.settings.types import SettingError

if TYPE_CHECKING:
    from typed_settings.types import LoadedSettings


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings in force.

    Raises:
        SettingError: a setting is wrong, or a name is not a setting's.
    """
    # Here, because the client is used without it.
    from typed_settings import load_settings
    from typed_settings.exceptions import InvalidSettingsError

    environ = os.environ if environ is None else environ
    sources = {
        "file": read_config_file(environ),
        "environment": read_environment(environ, refuse_unknown=True),
        "options": read_overrides(overrides),
    }
    converter = Converter()
    try:
        settings = load_settings(
            Settings, [_make_loader(*source) for source in sources.items()], converter=converter
        )
    except InvalidSettingsError:
        if not converter.problems:
            raise  # a fault of this package, not of a setting
        raise SettingError("; ".join(converter.problems)) from None
    with _name_file(sources["file"]):
        check_settings(settings)
    return settings


def load_client(environ: Mapping[str, str] | None = None, **overrides: Any) -> ClientSettings:
    """The settings of the client, without the settings library: for programs that embed it.

    Such a program may have `WA_…` variables of its own, so unknown ones are ignored here.

    Raises:
        SettingError: a setting is wrong.
    """
    environ = os.environ if environ is None else environ
    merged = (
        read_config_file(environ)
        | read_environment(environ, refuse_unknown=False)
        | read_overrides(overrides)
    )
    hints = get_type_hints(ClientSettings, include_extras=True)
    converter = Converter()
    settings = ClientSettings(
        **{
            setting.name: converter.structure(
                merged.get(setting.name, setting.default), hints[setting.name]
            )
            for setting in fields(ClientSettings)
        }
    )
    check_kafka(settings)
    return settings


@contextmanager
def _name_file(file_source: Source) -> Iterator[None]:
    """An error about a setting that the file sets names the file too.

    Raises:
        SettingError: with the path in front, if it begins with such a setting.
    """
    try:
        yield
    except SettingError as error:
        for name, raw in file_source.items():
            if str(error).startswith((f"{variable_name(name)}=", f"{variable_name(name)}:")):
                raise SettingError(f"{raw.label.rpartition(':')[0]}: {error}") from None
        raise


def _make_loader(name: str, source: Source) -> Callable[..., "LoadedSettings"]:
    """A loader of typed-settings for a source that has been read."""
    from typed_settings.types import LoadedSettings, LoaderMeta

    return lambda _settings_class, _options: LoadedSettings(dict(source), LoaderMeta(name))
