"""Every setting of wa-streams: its name, default, meaning and bounds, in one table.

Settings come from environment variables `WA_…`, else from a TOML file of the same names without the
prefix and in lower case (`WA_CONFIG`, default `wa-streams.toml` in the working folder, empty: none), else
from the defaults. Nothing else in the program reads the environment. A wrong one is a `SettingError`.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta

from streams.system.loopback import is_loopback

PREFIX = "WA_"
MASK = "********"  # what is printed instead of a secret


class SettingError(ValueError):
    """A setting is wrong; the message names it, what was found and what is needed, in one line."""


def _setting(default: Any, meaning: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"meaning": meaning, "secret": secret})


Port = Annotated[int, Meta(ge=0, le=65_535)]
AtLeast0 = Annotated[int, Meta(ge=0)]
AtLeast1 = Annotated[int, Meta(ge=1)]
# An accepted request travels inside with its original bytes beside its content, in 8 MiB at most.
RequestBytes = Annotated[int, Meta(ge=1, le=3_145_728)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Region = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
Prefix = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$")]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings in force. `_s` are seconds, `_ms` milliseconds."""

    # Kafka
    kafka_bootstrap_servers: str | None = _setting(
        None, "brokers, `host:port,…`; none: `up` starts an embedded one"
    )
    topic_prefix: Prefix = _setting("wa", "first part of every topic's and group's name")
    partitions: AtLeast1 = _setting(
        8, "of all topics but wa.accounts and wa.templates; never change it"
    )
    replication_factor: int = _setting(
        1, "replicas of each topic that is created; -1: the brokers' default"
    )
    kafka_session_timeout_s: AtLeast1 = _setting(
        10, "a worker unheard of for so long loses its partitions"
    )
    kafka_security_protocol: str = _setting(
        "PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_security_mechanism: str = _setting(
        "SCRAM-SHA-512", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_security_username: str | None = _setting(None, "SASL user")
    kafka_security_password: str | None = _setting(None, "SASL password", secret=True)
    kafka_security_ca_file: str | None = _setting(None, "certificates to trust, PEM")
    kafka_security_cert_file: str | None = _setting(
        None, "our own certificate, PEM, for brokers that ask for one"
    )
    kafka_security_key_file: str | None = _setting(
        None, "its private key, PEM; none: it is in the certificate's file"
    )

    # Limits and waiting
    rate_limit_per_minute: AtLeast1 = _setting(
        30, "messages to one recipient in any 60 seconds, exact"
    )
    max_request_bytes: RequestBytes = _setting(1_048_576, "largest request that is accepted")
    max_queue: AtLeast1 = _setting(1000, "messages that may wait per phone, then `queue_full`")
    send_interval_ms: AtLeast0 = _setting(100, "between two sends of an account")
    account_rate_per_minute: AtLeast0 = _setting(
        60, "messages of one account in any 60 seconds; 0: no bound"
    )
    account_max_in_flight: AtLeast1 = _setting(
        16, "messages that an account may be handed at one time, shared by the partitions"
    )
    account_daily_cap: AtLeast0 = _setting(
        0, "messages of one account in any 24 hours; 0: no bound"
    )
    max_retries: AtLeast0 = _setting(3, "further tries after a transient error")
    retry_delay_ms: AtLeast1 = _setting(
        5000, "before the first retry; doubled each time, full jitter, at most 5 min"
    )
    lookup_cache_s: AtLeast0 = _setting(
        600, "a number that is not on WhatsApp is not asked for again for so long"
    )
    lookup_cache_found_s: AtLeast0 = _setting(604_800, "the same for a number that is on WhatsApp")
    unknown_after_s: AtLeast1 = _setting(
        3600, "an attempt that cannot be settled for so long ends as `unknown`"
    )
    clock_skew_ms: AtLeast0 = _setting(500, "by how much clocks of two hosts may differ")
    idempotency_window_s: AtLeast1 = _setting(
        604_800, "how long a request id is remembered once it is settled"
    )
    conversation_expiry_s: AtLeast1 = _setting(
        3600, "a phone without traffic for so long is forgotten"
    )
    default_region: Region | None = _setting(None, "reads national phone numbers, for example MY")

    # Accounts and browser
    accounts: tuple[Name, ...] = _setting(("main",), "sending accounts, comma-separated")
    browser_executable: str | None = _setting(
        None, "Chromium to use; none: Playwright's own, else the system's"
    )
    whatsapp_bundle: str | None = _setting(None, "another wa-js bundle than the installed one")
    whatsapp_url: str = _setting("https://web.whatsapp.com/", "the page that the browser opens")
    whatsapp_page_heap_mb: AtLeast0 = _setting(
        512, "a page whose JavaScript has grown beyond so many MB is loaded anew; 0: never"
    )
    whatsapp_browser_args: tuple[str, ...] = _setting(
        (), "further arguments for the browser, separated by ` | `"
    )
    ack_timeout_s: AtLeast1 = _setting(
        20, "how long to wait for the server's ack before the outcome is looked for"
    )

    # This machine
    data_dir: Path = _setting(
        Path("~/.local/share/wa-streams"), "tables, profiles, the embedded broker's log"
    )
    kafka_port: Port = _setting(9092, "of the embedded broker; 0: any free one")
    web_host: str = _setting("127.0.0.1", "where probes and metrics listen")
    web_port: Port = _setting(
        8080,
        "of a worker's probes and metrics (of the first dispatcher's, under `up`); 0: any free one",
    )
    web_token: str | None = _setting(
        None, "needed to listen off loopback; asked for as a bearer token", secret=True
    )
    sandbox_port: Port = _setting(8765, "of the sandbox's control; 0: any free one")
    log_level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = _setting(
        "info", "how much is logged"
    )
    log_pii: bool = _setting(False, "whether phone numbers and texts may stand in logs")


_LIST_SEPARATORS = {"accounts": ",", "whatsapp_browser_args": " | "}
_SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def variable_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The settings in force. `given` wins over the environment, and that over the file.

    Raises:
        SettingError: one is wrong, or there is none of that name.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {"data_dir": Settings.data_dir} | _read_file(environ)  # expands its ~
    for setting in fields(Settings):
        text = environ.get(variable_name(setting.name))
        if text is not None and text != "":
            values[setting.name] = _split_list(setting.name, text)
    values |= {name: value for name, value in overrides.items() if value is not None}
    hints = get_type_hints(Settings, include_extras=True)
    converted = {name: _convert(name, value, hints[name]) for name, value in values.items()}
    return _check_consistency(Settings(**converted))


def _read_file(environ: Mapping[str, str]) -> dict[str, Any]:
    config_path = environ.get(PREFIX + "CONFIG")
    if config_path == "":
        return {}
    path = Path(config_path or "wa-streams.toml")
    if not path.is_file():
        if config_path:
            raise SettingError(
                f"WA_CONFIG={config_path}: there is no such file; create it or unset WA_CONFIG"
            )
        return {}
    try:
        values = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: is not TOML ({error}); mend it or remove it") from error
    setting_names = {setting.name for setting in fields(Settings)}
    for name in values:
        if name not in setting_names:
            raise SettingError(
                f"{path}: there is no setting {name}; `wa-streams config` lists them"
            )
    return values


def _split_list(name: str, text: str) -> Any:
    separator = _LIST_SEPARATORS.get(name)
    if separator is None:
        return text
    return [part.strip() for part in text.split(separator) if part.strip()]


def _convert(name: str, value: Any, type_: Any) -> Any:
    if name == "data_dir":
        return Path(value).expanduser().resolve()
    try:
        return msgspec.convert(value, type_, strict=False)
    except msgspec.ValidationError as error:
        display_value = MASK if "password" in name or "token" in name else repr(value)
        raise SettingError(f"{variable_name(name)}={display_value}: {error}") from error


def _check_consistency(settings: Settings) -> Settings:
    """What only several settings together can get wrong."""
    if settings.kafka_security_protocol not in _SECURITY_PROTOCOLS:
        raise SettingError(
            f"WA_KAFKA_SECURITY_PROTOCOL: must be one of {', '.join(_SECURITY_PROTOCOLS)}"
        )
    if settings.kafka_security_mechanism not in _SASL_MECHANISMS:
        raise SettingError(
            f"WA_KAFKA_SECURITY_MECHANISM: must be one of {', '.join(_SASL_MECHANISMS)}"
        )
    if settings.kafka_security_protocol.startswith("SASL") and not settings.kafka_security_username:
        raise SettingError("WA_KAFKA_SECURITY_USERNAME: is needed for SASL; set it")
    if not settings.accounts:
        raise SettingError("WA_ACCOUNTS: names no account; set at least one, for example main")
    if len(set(settings.accounts)) != len(settings.accounts):
        raise SettingError("WA_ACCOUNTS: names an account twice")
    if not is_loopback(settings.web_host) and not settings.web_token:
        raise SettingError(
            "WA_WEB_HOST: is not loopback; set WA_WEB_TOKEN too, or listen on 127.0.0.1"
        )
    return settings


def describe(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with its variable, value, default and meaning; secrets are masked."""
    return [
        {
            "variable": variable_name(setting.name),
            "value": _display_value(getattr(settings, setting.name), setting.metadata["secret"]),
            "default": _display_value(setting.default, is_secret=False),
            "meaning": setting.metadata["meaning"],
        }
        for setting in fields(settings)
    ]


def _display_value(value: Any, is_secret: bool) -> Any:
    if is_secret and value:
        return MASK
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def to_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, for the processes that `up` starts."""
    variables: dict[str, str] = {}
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if value is None or value == setting.default:
            continue
        separator = _LIST_SEPARATORS.get(setting.name, ",")
        variables[variable_name(setting.name)] = (
            separator.join(value) if isinstance(value, tuple) else str(value)
        )
    return variables
