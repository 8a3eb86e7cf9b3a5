"""The warm-up ladder: how much a new account may send, by its age. Pure.

    1:20/50,4:50/150,8:0/0     from day 1: 20 new recipients and 50 messages in any 24 hours;
                               from day 4: 50 and 150; from day 8: no limit by the ladder

Day 1 begins when the account's number was first linked. A new recipient is somebody who never wrote to the account,
and to whom it never wrote either. The figures are limits of any 24 hours, like the daily cap.
"""

from itertools import pairwise
from typing import Final

import msgspec

from streams.domain.accounts.pacing import DAY_S
from streams.domain.stored import Codec, Stored

OFF: Final = "off"
DEFAULT: Final = "default"
# A guess, after what providers and users advise (docs/operating.md).
DEFAULT_LADDER: Final = "1:10/40,3:20/80,5:40/160,8:80/320,15:150/600,22:250/1000,31:0/0"


class Step(msgspec.Struct, frozen=True):
    """What an account may send in any 24 hours, from a day of its age on. 0 means no limit."""

    from_day: int
    new_recipients: int
    messages: int


NO_LIMIT: Final = Step(1, 0, 0)


class Ladder(msgspec.Struct, frozen=True):
    """The steps, the first one from day 1; without any there is no limit."""

    steps: tuple[Step, ...] = ()

    def step_at(self, age_s: float) -> Step:
        """The step of an account that was first linked this long ago."""
        day = day_of(age_s)
        return next((step for step in reversed(self.steps) if step.from_day <= day), NO_LIMIT)

    def next_change_s(self, age_s: float) -> float:
        """Seconds until the next step; infinity if there is none."""
        day = day_of(age_s)
        changes_s = (
            (step.from_day - 1) * DAY_S - age_s for step in self.steps if step.from_day > day
        )
        return min(changes_s, default=float("inf"))

    @property
    def max_messages(self) -> int:
        """The largest limit of messages."""
        return max((step.messages for step in self.steps), default=0)


class FirstLink(Stored, frozen=True):
    """When a number was first linked under this account's name, by the broker's clock."""

    at_s: float


def day_of(age_s: float) -> int:
    """The day of the account's life, counted from 1."""
    return int(max(0.0, age_s) // DAY_S) + 1


def parse_ladder(text: str) -> Ladder:
    """The ladder of this setting: `off`, `default`, or steps.

    Raises:
        ValueError: the text says in which way it is wrong.
    """
    text = text.strip().lower()
    if text == OFF:
        return Ladder()
    try:
        written = (DEFAULT_LADDER if text == DEFAULT else text).split(",")
        steps = tuple(_parse_step(item) for item in written)
    except ValueError:
        raise ValueError(
            "must be off, default, or steps like 1:20/50,4:50/150 "
            "(from day: new recipients / messages per day)"
        ) from None
    _check_steps(steps)
    return Ladder(steps)


def _parse_step(text: str) -> Step:
    from_day, _, limits = text.strip().partition(":")
    new_recipients, _, messages = limits.partition("/")
    return Step(*(_parse_number(number) for number in (from_day, new_recipients, messages)))


def _parse_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ValueError(text)
    return int(text)


def _check_steps(steps: tuple[Step, ...]) -> None:
    if steps[0].from_day != 1:
        raise ValueError("the first step must begin on day 1")
    for earlier, later in pairwise(steps):
        if later.from_day <= earlier.from_day:
            raise ValueError(f"day {later.from_day} must come after day {earlier.from_day}")
        for name in ("new_recipients", "messages"):
            if _as_limit(getattr(later, name)) < _as_limit(getattr(earlier, name)):
                raise ValueError(
                    f"the step of day {later.from_day} must not allow less than the one before"
                )
    for step in steps:
        if _as_limit(step.messages) < step.new_recipients:
            raise ValueError(
                f"the step of day {step.from_day} allows fewer messages than new recipients"
            )


def _as_limit(number: int) -> float:
    return number or float("inf")


_codec: Codec[FirstLink] = Codec(FirstLink)


def encode(first_link: FirstLink) -> bytes:
    """The row as it is stored."""
    return _codec.encode(first_link)


def decode(data: bytes) -> FirstLink:
    """The row.

    Raises:
        msgspec.DecodeError: the bytes are not such a row.
    """
    return _codec.decode(data)
