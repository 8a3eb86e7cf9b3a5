"""Every setting of wa-streams, in groups: its name, type, default and meaning. Reads nothing.

No settings library is imported here, so that `streams.client` needs none. Names end in `_s` for seconds and
in `_ms` for milliseconds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streams.settings.consent import ConsentSettings
from streams.settings.console import ConsoleSettings
from streams.settings.media import MediaSettings
from streams.settings.pace import PaceSettings
from streams.settings.types import (
    PREFIX,
    AccountWeight,
    AtLeast0,
    AtLeast1,
    HoursOfDay,
    LogFormat,
    LogLevel,
    Name,
    Partitions,
    Port,
    Region,
    Replicas,
    RequestBytes,
    SaslMechanism,
    SecurityProtocol,
    TopicPrefix,
)
from streams.settings.types import setting as _setting
from streams.settings.webhooks import WebhookSettings


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """The connection to Kafka, and the topics."""

    kafka_bootstrap_servers: str | None = _setting(
        None,
        "Addresses of the brokers, `host:port,host:port`. Without them, `up` starts an embedded broker.",
    )
    topic_prefix: TopicPrefix = _setting(
        "wa",
        "First part of the name of every topic and consumer group. "
        "Change it to run a second, separate service on the same brokers.",
    )
    partitions: Partitions = _setting(
        8,
        "Number of partitions of every topic except wa.accounts, wa.templates, wa.batches, wa.alerts and some internal "
        "ones, which have one. Choose it before the topics are created, and never change it; only wa.outbound may have "
        "any number.",
    )
    replication_factor: Replicas = _setting(
        1,
        "Number of replicas of each topic that is created; -1 takes the brokers' default. "
        "Set it to 3 on a cluster.",
    )
    kafka_session_timeout_s: AtLeast1 = _setting(
        10, "A worker that sends no heartbeat for this many seconds loses its partitions."
    )
    max_request_bytes: RequestBytes = _setting(
        1_048_576, "Size of the largest request in bytes: value, key and headers, uncompressed."
    )
    kafka_security_protocol: SecurityProtocol = _setting(
        "PLAINTEXT", "How to connect: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    kafka_security_mechanism: SaslMechanism = _setting(
        "SCRAM-SHA-512", "How to log in with SASL: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    kafka_security_username: str | None = _setting(None, "User name for SASL.")
    kafka_security_password: str | None = _setting(None, "Password for SASL.", secret=True)
    kafka_security_ca_file: str | None = _setting(
        None, "File with the certificates to trust (PEM). Without it, the system's are trusted."
    )
    kafka_security_cert_file: str | None = _setting(
        None, "File with the client certificate (PEM), for brokers that require one."
    )
    kafka_security_key_file: str | None = _setting(
        None,
        "File with the private key of the client certificate (PEM). "
        "Without it, the key is read from the certificate's file.",
    )


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Limits for each recipient, and how long the service remembers."""

    rate_limit_per_minute: AtLeast1 = _setting(
        30, "Messages to one recipient in any 60 seconds. The limit is exact."
    )
    max_queue: AtLeast1 = _setting(
        1000, "Messages that may wait for one recipient; further requests end as `queue_full`."
    )
    idempotency_window_s: AtLeast1 = _setting(
        604_800,
        "How many seconds a request id is remembered after its message is final. "
        "A repeat within this time sends nothing. At least twice `WA_UNKNOWN_AFTER_S` and 600 seconds.",
    )
    conversation_expiry_s: AtLeast1 = _setting(
        3600,
        "A conversation without a message is over after this many seconds. A recipient without traffic is forgotten "
        "then too, but not before the look-up of its number is out of date (`WA_LOOKUP_CACHE_FOUND_S`).",
    )
    lookup_cache_s: AtLeast0 = _setting(
        600,
        "How many seconds a number that is not on WhatsApp is remembered as such, "
        "before it is looked up again.",
    )
    lookup_cache_found_s: AtLeast0 = _setting(
        604_800, "How many seconds a number that is on WhatsApp is remembered as such."
    )
    default_region: Region | None = _setting(
        None,
        "Country whose national phone numbers are understood too, for example MY. "
        "A number that could be national or international is refused.",
    )
    quiet_hours: HoursOfDay | None = _setting(
        None,
        "Hours in which no marketing message is sent, for example 21:00-08:00, by the recipient's wall clock.",
    )


@dataclass(frozen=True, kw_only=True)
class RetrySettings:
    """Retries, and attempts whose outcome is in doubt."""

    max_retries: AtLeast0 = _setting(3, "Further attempts after a transient error.")
    retry_delay_ms: AtLeast1 = _setting(
        5000,
        "Longest wait before the first retry, in milliseconds. It doubles with each retry, up to 5 minutes; "
        "the actual wait lies between 0 and this (full jitter).",
    )
    ack_timeout_s: AtLeast1 = _setting(
        20,
        "How many seconds to wait for the server's ack. After that, the message is reconciled: "
        "its id is looked for in the page's store. Other recipients' messages go on after one second.",
    )
    unknown_after_s: AtLeast1 = _setting(
        3600,
        "An attempt in doubt that cannot be reconciled within this many seconds ends as `unknown`. "
        "The time for which a time lock or the account's pace holds it back does not count. A lost ack is "
        "reconciled after about 90 seconds: with less, it ends as `unknown`.",
    )
    clock_skew_ms: AtLeast0 = _setting(
        500, "Largest difference between two brokers' clocks, in milliseconds; more is a jump."
    )


@dataclass(frozen=True, kw_only=True)
class AccountSettings(PaceSettings):
    """The accounts that send, and the pace of each."""

    accounts: tuple[Name, ...] = _setting(
        ("main",), "Names of the accounts that send, separated by commas."
    )
    account_weights: tuple[AccountWeight, ...] = _setting(
        (),
        "Share of new conversations that each account gets, for example `main=2,sales=1`. The default is 1; an "
        "account with 0 gets only those that no other account can take.",
    )
    account_max_in_flight: AtLeast1 = _setting(
        16,
        "Messages that may be in flight to an account at one time. The partitions share this number.",
    )


@dataclass(frozen=True, kw_only=True)
class WhatsAppSettings:
    """The browser and the page of WhatsApp Web."""

    browser_executable: str | None = _setting(
        None,
        "Path of the Chromium to use. Without it, Playwright's own is used, else the system's.",
    )
    whatsapp_bundle: str | None = _setting(
        None, "Path of a wa-js bundle to use instead of the installed one."
    )
    whatsapp_url: str = _setting(
        "https://web.whatsapp.com/", "Address of the page that the browser opens."
    )
    whatsapp_page_heap_mb: AtLeast0 = _setting(
        512,
        "The page is reloaded when its JavaScript heap exceeds this many MB; 0 means never. "
        "Lower it on a machine with little memory.",
    )
    min_free_disk_mb: AtLeast0 = _setting(
        500,
        "MB of free disk without which no profile is opened. Below twice that: `degraded`. 0: no check.",
    )
    whatsapp_browser_args: tuple[str, ...] = _setting(
        (), "Further arguments for the browser, separated by ` | `.", separator=" | "
    )


@dataclass(frozen=True, kw_only=True)
class MachineSettings:
    """Folders and ports of this machine. Two `up` commands side by side need different ones."""

    data_dir: Path = _setting(
        Path("~/.local/share/wa-streams"),
        "Folder of the tables, the browser profiles, the logs and the embedded broker's data.",
    )
    kafka_port: Port = _setting(9092, "Port of the embedded broker; 0 means any free one.")
    sandbox_port: Port = _setting(8765, "Port of the sandbox's control API; 0 means any free one.")


@dataclass(frozen=True, kw_only=True)
class ClientSettings(MachineSettings, KafkaSettings):
    """All that a Kafka client needs. An embedded broker leaves its address in the data folder."""


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """The HTTP server of a process: probes and metrics, and the console."""

    web_host: str = _setting("127.0.0.1", "Address that probes, metrics and the console listen on.")
    web_port: Port = _setting(
        8080,
        "Port of the console, or of a worker's probes and metrics; 0 means any free one. "
        "Under `up` it is the console's, and the workers take any free one.",
    )
    web_token: str | None = _setting(
        None,
        "Bearer token of probes and metrics. Required if WA_WEB_HOST is not loopback.",
        secret=True,
    )


@dataclass(frozen=True, kw_only=True)
class LoggingSettings:
    """What workers log, and how."""

    log_level: LogLevel = _setting(
        "info", "Least severe level that is logged: debug, info, warning or error."
    )
    log_format: LogFormat = _setting(
        "text", "text: one line for people; json: one JSON object per line, for log collectors."
    )
    traces: bool = _setting(
        False,
        "true: spans of messages go to OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT says. Needs wa-streams[otel].",
    )
    log_pii: bool = _setting(
        False,
        "true: phone numbers and message texts may appear in logs. "
        "With WA_LOG_LEVEL=debug, Faust and aiokafka log in detail too.",
    )


@dataclass(frozen=True, kw_only=True)
class Settings(  # the fields of the last base come first
    LoggingSettings,
    WebhookSettings,
    ConsoleSettings,
    WebSettings,
    ClientSettings,
    MediaSettings,
    WhatsAppSettings,
    AccountSettings,
    RetrySettings,
    ConsentSettings,
    LimitSettings,
    KafkaSettings,
):
    """All settings in force."""


# The name of each group: its table in the TOML file, its heading in `wa-streams config`.
GROUPS: Final[dict[str, type]] = {
    "kafka": KafkaSettings,
    "limits": LimitSettings,
    "consent": ConsentSettings,
    "retries": RetrySettings,
    "account": AccountSettings,
    "whatsapp": WhatsAppSettings,
    "media": MediaSettings,
    "machine": MachineSettings,
    "web": WebSettings,
    "console": ConsoleSettings,
    "webhooks": WebhookSettings,
    "logging": LoggingSettings,
}


def variable_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()
