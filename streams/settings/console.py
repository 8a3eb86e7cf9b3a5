"""The settings of the console: who may use it, and how much its read model keeps. Reads nothing."""

from dataclasses import dataclass

from streams.settings.types import AtLeast1
from streams.settings.types import setting as _setting


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings:
    """The console, which listens on WA_WEB_HOST and WA_WEB_PORT."""

    console_view_token: str | None = _setting(
        None,
        "Token of those who may look at the console, without texts of messages. If it or the next one is set, "
        "a token is needed; off loopback, one must be set.",
        secret=True,
    )
    console_operate_token: str | None = _setting(
        None,
        "Token of those who may see texts, send, cancel, replay, and change accounts. Without any token, "
        "everybody on this machine may.",
        secret=True,
    )
    runbook_url: str | None = _setting(
        None,
        "Address of your page about an alert, in which `{alert}` stands for the alert's name: for example "
        "https://docs.example.com/docs/runbook/{alert}/. `wa-streams alerts` prints it, and the console links to it. "
        "Without it, the command prints the page's path in the repository, and the console shows the page itself.",
    )
    console_rate_per_minute: AtLeast1 = _setting(
        6000,
        "Messages that the HTTP API takes per minute, in the long run; after a pause, up to twice as many in one "
        "minute. More are refused with 429. It protects Kafka and this machine from a program that has run wild.",
    )
    console_retention_days: AtLeast1 = _setting(
        7, "Days for which the console keeps messages that are final, and what was received."
    )
    console_max_messages: AtLeast1 = _setting(
        500_000, "Messages that the console keeps; the oldest final ones go first."
    )
