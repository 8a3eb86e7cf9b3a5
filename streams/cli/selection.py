"""Which dead letters are meant: by id, reason, class, account and time. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import click

from streams.cli.time_param import TimeParam
from streams.contract import replay
from streams.contract.dead_letter import DeadLetter
from streams.contract.headers import get_text

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """What all of a dead letter must be; what is not named does not matter. Times in epoch seconds."""

    ids: tuple[str, ...] = ()  # of dead letters, or of their requests
    reason: str | None = None
    error_class: str | None = None
    account: str | None = None
    since_s: float | None = None
    until_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Nothing is named."""
        return self == DeadLetterFilter()

    def matches(self, letter: DeadLetter) -> bool:
        """Whether this one is meant."""
        about = letter.info
        failed_s = datetime.fromisoformat(about.last_failed_at).timestamp()
        return (
            (not self.ids or about.id in self.ids or about.request_id in self.ids)
            and self.reason in (None, about.reason)
            and self.error_class in (None, about.error_class)
            and self.account in (None, about.account)
            and (self.since_s is None or failed_s >= self.since_s)
            and (self.until_s is None or failed_s < self.until_s)
        )


def filter_options(command: F) -> F:
    """The options of a command that selects; their values are the fields of a Selection."""
    for option in (
        click.option("--until", "until_s", type=TimeParam(), help="failed before then"),
        click.option(
            "--since", "since_s", type=TimeParam(), help="failed since then: 15m, 2h, 7d, or a time"
        ),
        click.option("--account", help="the sending account"),
        click.option("--class", "error_class", help="of the error, for example transient"),
        click.option("--reason", help="the error's code, for example recipient_not_on_whatsapp"),
        click.option("--id", "ids", multiple=True, help="of the dead letter, or of its request"),
    ):
        command = option(command)
    return command


def find_superseded_ids(letters: Iterable[DeadLetter]) -> set[str]:
    """Ids of dead letters whose replay ended in another one of these: it stands for both."""
    replayed_ids = {get_text(letter.headers, replay.REPLAY_OF) for letter in letters}
    return {each for each in replayed_ids if each is not None}
