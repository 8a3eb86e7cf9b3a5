"""Which dead letters are meant: by id, reason, class, account and time. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import click

from streams.cli.time_param import Moment
from streams.contract import replay
from streams.contract.dead_letter import DeadLetter
from streams.contract.headers import get_text

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What all of a dead letter must be; what is not named does not matter. Times in epoch seconds."""

    ids: tuple[str, ...] = ()  # of dead letters, or of their requests
    reason: str | None = None
    error_class: str | None = None
    account: str | None = None
    since: float | None = None
    until: float | None = None

    @property
    def is_everything(self) -> bool:
        """Nothing is named."""
        return self == Selection()

    def has(self, letter: DeadLetter) -> bool:
        """Whether this one is meant."""
        about = letter.info
        failed_s = datetime.fromisoformat(about.last_failed_at).timestamp()
        return (
            (not self.ids or about.id in self.ids or about.request_id in self.ids)
            and self.reason in (None, about.reason)
            and self.error_class in (None, about.error_class)
            and self.account in (None, about.account)
            and (self.since is None or failed_s >= self.since)
            and (self.until is None or failed_s < self.until)
        )


def options(command: F) -> F:
    """The options of a command that selects; their values are the fields of a Selection."""
    for option in (
        click.option("--until", type=Moment(), help="failed before then"),
        click.option("--since", type=Moment(), help="failed since then: 15m, 2h, 7d, or a time"),
        click.option("--account", help="the sending account"),
        click.option("--class", "error_class", help="of the error, for example transient"),
        click.option("--reason", help="the error's code, for example recipient_not_on_whatsapp"),
        click.option("--id", "ids", multiple=True, help="of the dead letter, or of its request"),
    ):
        command = option(command)
    return command


def followed(letters: Iterable[DeadLetter]) -> set[str]:
    """Ids of dead letters whose replay ended in another one of these: it stands for both."""
    found = {get_text(letter.headers, replay.REPLAY_OF) for letter in letters}
    return {each for each in found if each is not None}
