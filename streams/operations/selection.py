"""Which dead letters an operation is about: by id, reason, error class, account and time. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.contract import replay
from streams.contract.dead_letter import DeadLetter
from streams.contract.headers import get_text


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """The conditions that a dead letter must all meet; None sets no condition. Times in epoch seconds."""

    ids: tuple[str, ...] = ()  # of dead letters, or of their requests
    reason: str | None = None
    error_class: str | None = None
    account: str | None = None
    since_s: float | None = None
    until_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it sets no condition."""
        return self == DeadLetterFilter()

    def matches(self, letter: DeadLetter) -> bool:
        """Whether this dead letter meets all conditions."""
        info = letter.info
        failed_s = datetime.fromisoformat(info.last_failed_at).timestamp()
        return (
            (not self.ids or info.id in self.ids or info.request_id in self.ids)
            and self.reason in (None, info.reason)
            and self.error_class in (None, info.error_class)
            and self.account in (None, info.account)
            and (self.since_s is None or failed_s >= self.since_s)
            and (self.until_s is None or failed_s < self.until_s)
        )


def select(
    letters: Sequence[DeadLetter],
    letter_filter: DeadLetterFilter,
    *,
    include_replayed: bool = False,
) -> list[DeadLetter]:
    """The dead letters that match, each id once.

    If the replay of a dead letter failed too, the later dead letter stands for both.
    """
    superseded_ids = set() if include_replayed else _find_superseded_ids(letters)
    letters_by_id = {letter.info.id: letter for letter in letters if letter_filter.matches(letter)}
    return [letter for id, letter in letters_by_id.items() if id not in superseded_ids]


def _find_superseded_ids(letters: Iterable[DeadLetter]) -> set[str]:
    """The ids of dead letters whose replay ended in another one of these."""
    replayed_ids = {get_text(letter.headers, replay.REPLAY_OF) for letter in letters}
    return {id for id in replayed_ids if id is not None}
