"""Which dead letters an operation is about: by id, recipient, batch, reason, error class, account, time. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

import msgspec

from streams.contract import replay
from streams.contract.dead_letter import DeadLetter
from streams.contract.headers import get_text
from streams.domain.numbers import InvalidPhone
from streams.domain.recipients import to_recipient


class Addressee(NamedTuple):
    """Whom a dead letter was for, as far as its original record can be read: E.164, else what it said."""

    to: str | None = None
    batch_id: str | None = None


def read_addressee(letter: DeadLetter, region: str | None) -> Addressee:
    """Read the original record, which may be anything, and cut."""
    try:
        document: Any = msgspec.json.decode(letter.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Addressee(_normalize((letter.key or b"").decode(errors="replace"), region, None))
    fields = _get_mapping(document)
    if "specversion" in fields:  # CloudEvents in structured mode
        fields = _get_mapping(fields.get("data"))
    to, batch_id = fields.get("to") or fields.get("phoneNumber"), fields.get("batch_id")
    text = None if to is None else str(to)
    return Addressee(_normalize(text, region, text), None if batch_id is None else str(batch_id))


def _get_mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _normalize(text: str | None, region: str | None, fallback: str | None) -> str | None:
    try:
        return to_recipient(text, region) if text else None
    except InvalidPhone:
        return fallback


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """The conditions that a dead letter must all meet; None sets no condition. Times in epoch seconds."""

    ids: tuple[str, ...] = ()  # of dead letters, or of their requests
    to: str | None = None  # E.164
    batch_id: str | None = None
    reason: str | None = None
    error_class: str | None = None
    account: str | None = None
    since_s: float | None = None
    until_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it sets no condition."""
        return self == DeadLetterFilter()

    def matches(self, letter: DeadLetter, region: str | None = None) -> bool:
        """Whether this dead letter meets all conditions; `region` is for numbers without a country."""
        info = letter.info
        if self.to is not None or self.batch_id is not None:
            addressee = read_addressee(letter, region)
            if self.to not in (None, addressee.to):
                return False
            if self.batch_id not in (None, addressee.batch_id):
                return False
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
    region: str | None = None,
    include_replayed: bool = False,
) -> list[DeadLetter]:
    """The dead letters that match, each id once.

    If the replay of a dead letter failed too, the later dead letter stands for both.
    """
    superseded_ids = set() if include_replayed else _find_superseded_ids(letters)
    letters_by_id = {
        letter.info.id: letter for letter in letters if letter_filter.matches(letter, region)
    }
    return [letter for id, letter in letters_by_id.items() if id not in superseded_ids]


def _find_superseded_ids(letters: Iterable[DeadLetter]) -> set[str]:
    """The ids of dead letters whose replay ended in another one of these."""
    replayed_ids = {get_text(letter.headers, replay.REPLAY_OF) for letter in letters}
    return {id for id in replayed_ids if id is not None}
