"""What the type of a setting does not tell: values that could not be used, settings that contradict each other.

Reads nothing, changes nothing.
"""

import ipaddress
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from streams.domain.accounts.warm_up import parse_ladder
from streams.domain.consent.words import normalize
from streams.settings.consent import ConsentSettings
from streams.settings.groups import KafkaSettings, LimitSettings, Settings
from streams.settings.types import SettingError
from streams.system.network import is_loopback

# What people write for a country that has another code.
_OTHER_CODES: Final = {"UK": "GB", "EN": "GB", "EL": "GR", "TP": "TL", "BU": "MM", "ZR": "CD"}
# Of fsspec: this machine's own files and memory, and what wraps another scheme. http has a client of its own.
_LOCAL_SCHEMES: Final = frozenset(
    {
        *("file", "local", "memory", "data", "http", "https", "generic", "reference", "dir", "zip"),
        *(
            "tar",
            "libarchive",
            "simplecache",
            "filecache",
            "blockcache",
            "cached",
            "git",
            "wa-media",
        ),
    }
)

# From a claim to the outcome that says that it is in doubt, and from the last dispatch to its end.
_DOUBT_MARGIN_S: Final = 600


def check_kafka(settings: KafkaSettings) -> None:
    """Raises SettingError if a Kafka setting cannot be used, or if they contradict each other."""
    for address in (settings.kafka_bootstrap_servers or "").split(","):
        _check_address(address.strip(), settings.kafka_bootstrap_servers or "")
    protocol = settings.kafka_security_protocol
    if protocol.startswith("SASL") and not settings.kafka_security_username:
        raise SettingError(
            "WA_KAFKA_SECURITY_USERNAME: is not set; "
            f"WA_KAFKA_SECURITY_PROTOCOL={protocol} needs a user name"
        )


def _check_address(address: str, servers: str) -> None:
    """One address of the setting `WA_KAFKA_BOOTSTRAP_SERVERS`."""
    if not servers:
        return
    label = f"WA_KAFKA_BOOTSTRAP_SERVERS={servers}"
    if not address:
        raise SettingError(f"{label}: has an empty address; remove the comma")
    if "://" in address:
        raise SettingError(
            f"{label}: must have the form host:port, without {address.split('//')[0]}//"
        )
    host, separator, port = address.rpartition(":")
    is_bare_ipv6 = host.count(":") > 0 and not host.startswith("[")
    if not separator or not host or is_bare_ipv6:
        written = f"[{address}]" if is_bare_ipv6 else address
        raise SettingError(f"{label}: {address} has no port; write for example {written}:9092")
    if not port.isdigit() or not 0 < int(port) <= 65_535:
        raise SettingError(f"{label}: {port!r} is not a port; write a number from 1 to 65535")


def check_region(settings: LimitSettings) -> None:
    """Raises SettingError if there is no such country. Its two letters alone do not show that."""
    region = settings.default_region
    if region is None:
        return
    from phonenumbers import (
        SUPPORTED_REGIONS,  # here, because the client reads no numbers by region
    )

    if region not in SUPPORTED_REGIONS:
        nearest = _OTHER_CODES.get(region) or next(
            iter(get_close_matches(region, sorted(SUPPORTED_REGIONS), n=1, cutoff=0.0)), "MY"
        )
        raise SettingError(
            f"WA_DEFAULT_REGION={region}: is not a country with phone numbers; did you mean {nearest}?"
        )


def _check_quiet_hours(text: str | None) -> None:
    """Raises SettingError if the hours do not end."""
    if text is None:
        return
    start, end = text.split("-")
    if start == end:
        raise SettingError(
            f"WA_QUIET_HOURS={text}: begin and end at the same time; unset it to have no quiet hours"
        )


def _check_networks(variable: str, networks: tuple[str, ...]) -> None:
    """Raises SettingError if one is not a network."""
    for text in networks:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise SettingError(
                f"{variable}={','.join(networks)}: {error}; write for example 10.1.0.0/16"
            ) from error


def _check_schemes(schemes: tuple[str, ...]) -> None:
    """Raises SettingError if one would give callers the files or the network of this machine."""
    for scheme in schemes:
        if scheme in _LOCAL_SCHEMES:
            raise SettingError(
                f"WA_MEDIA_SCHEMES={','.join(schemes)}: {scheme} does not name a remote store; "
                "write for example s3"
            )


def _check_warm_up(text: str) -> None:
    """Raises SettingError if the ladder cannot be read, or allows less on a later day."""
    try:
        parse_ladder(text)
    except ValueError as error:
        raise SettingError(f"WA_WARM_UP={text}: {error}") from None


def _check_weights(settings: Settings) -> None:
    """Raises SettingError if a weight is not for one of the accounts, or if there are two for one of them."""
    label = f"WA_ACCOUNT_WEIGHTS={','.join(settings.account_weights)}"
    names = [text.partition("=")[0] for text in settings.account_weights]
    for name in names:
        if name not in settings.accounts:
            listed = ",".join(settings.accounts)
            raise SettingError(
                f"{label}: {name} is not one of WA_ACCOUNTS ({listed}); add it there"
            )
    if len(set(names)) != len(names):
        raise SettingError(f"{label}: must name each account only once")


def _check_words(settings: ConsentSettings) -> None:
    """Raises SettingError if a word would opt out and in."""
    opt_out_words = {normalize(word): word for word in settings.opt_out_words}
    for word in settings.opt_in_words:
        if normalize(word) in opt_out_words:
            raise SettingError(
                f"WA_OPT_IN_WORDS: {word} is the same as {opt_out_words[normalize(word)]} in "
                "WA_OPT_OUT_WORDS; remove one of them"
            )


def _check_doubt(settings: Settings) -> None:
    """Raises SettingError if a claim could be removed while its message is still in doubt.

    What holds a message back may prolong a doubt by half of the window (domain/phone/dispatch.py).
    """
    min_window_s = 2 * settings.unknown_after_s + _DOUBT_MARGIN_S
    if settings.idempotency_window_s < min_window_s:
        raise SettingError(
            f"WA_IDEMPOTENCY_WINDOW_S={settings.idempotency_window_s}: is too short for "
            f"WA_UNKNOWN_AFTER_S={settings.unknown_after_s}; set at least {min_window_s}, or a shorter "
            "WA_UNKNOWN_AFTER_S"
        )


def check_settings(settings: Settings) -> None:
    """Raises SettingError if a setting cannot be used, or if settings contradict each other."""
    check_kafka(settings)
    check_region(settings)
    _check_url("WA_WHATSAPP_URL", settings.whatsapp_url, "unset it for the real WhatsApp Web")
    _check_runbook_url(settings.runbook_url)
    _check_quiet_hours(settings.quiet_hours)
    _check_networks("WA_MEDIA_ALLOWED_NETWORKS", settings.media_allowed_networks)
    _check_networks("WA_WEBHOOKS_ALLOWED_NETWORKS", settings.webhooks_allowed_networks)
    _check_schemes(settings.media_schemes)
    _check_warm_up(settings.warm_up)
    _check_words(settings)
    _check_doubt(settings)
    if not settings.accounts:
        raise SettingError("WA_ACCOUNTS: names no account; set at least one, for example main")
    if len(set(settings.accounts)) != len(settings.accounts):
        raise SettingError(
            f"WA_ACCOUNTS={','.join(settings.accounts)}: must name each account only once"
        )
    _check_weights(settings)
    if (
        settings.console_view_token
        and settings.console_view_token == settings.console_operate_token
    ):
        raise SettingError(
            "WA_CONSOLE_VIEW_TOKEN: is the same as WA_CONSOLE_OPERATE_TOKEN; set another one"
        )
    if not is_loopback(settings.web_host) and not settings.web_token:
        raise SettingError(
            f"WA_WEB_HOST={settings.web_host}: is not loopback; "
            "set WA_WEB_TOKEN too, or listen on 127.0.0.1"
        )


def _check_url(variable: str, url: str, remedy: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(
            f"{variable}={url}: must be an address that begins with https://; {remedy}"
        )


def _check_runbook_url(url: str | None) -> None:
    """Raises SettingError if it is not the address of a page for each alert."""
    if url is None:
        return
    remedy = "unset it to have the pages of wa-streams"
    _check_url("WA_RUNBOOK_URL", url, remedy)
    if "{alert}" not in url:
        raise SettingError(f"WA_RUNBOOK_URL={url}: must contain {{alert}}; {remedy}")
