"""What follows from an endpoint's answer to one event: the table of webhooks. Pure.

    the endpoint answers        the event                            the endpoint
    -------------------------   ----------------------------------   ---------------------------------------------
    2xx                         is delivered                         works
    410                         waits                                is paused: `gone`
    anything else, or nothing   waits, and is tried again            is paused (`failing`) if it has taken nothing
                                                                     for `give_up_after_s`
                                is given up, if its first failure    works, because it has taken other events
                                is `give_up_after_s` ago

A pause comes before a give-up: while an endpoint takes nothing, no event is lost, and a person resumes it. Time alone
decides neither, because the clock may be set: there must have been `MIN_FAILURES` too.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from streams.domain.backoff import Backoff

PauseReason: TypeAlias = Literal["gone", "failing", "requested"]
Fate: TypeAlias = Literal["delivered", "waits", "given_up"]

GONE: Final = 410
GIVE_UP_AFTER_S: Final = 86_400.0
MIN_FAILURES: Final = 12
# Between two tries of one event: 5 s, 10 s, 20 s … at most an hour, and by chance up to a half less.
EVENT_BACKOFF: Final = Backoff(base_delay_s=5.0, max_delay_s=3600.0, jitter=0.5)
# After so many failures in a row, whatever the event: one delivery at a time, with a pause between two of them.
STRUGGLING_AFTER: Final = 20
_ENDPOINT_BACKOFF: Final = Backoff(base_delay_s=1.0, max_delay_s=60.0, jitter=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `status` is None if there was no answer; `error` then says why."""

    status: int | None = None
    error: str = ""
    retry_after_s: float = 0.0  # what the endpoint asks for

    @property
    def is_success(self) -> bool:
        """Whether the endpoint has the event."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Why the endpoint does not have the event; empty if it has."""
        return "" if self.is_success else self.error or f"status {self.status}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """The failures of one event."""

    count: int = 0
    first_s: float = 0.0

    def has_lasted(self, duration_s: float, now_s: float) -> bool:
        """Whether it fails since this long, and often enough."""
        return self.count >= MIN_FAILURES and now_s - self.first_s >= duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """The failures of an endpoint since it took an event. Nothing is sent before `hold_until_s`."""

    paused: PauseReason | None = None
    in_a_row: Failures = Failures()
    hold_until_s: float = 0.0

    @property
    def is_struggling(self) -> bool:
        """Whether it gets one event at a time, and not the next one at once."""
        return self.in_a_row.count >= STRUGGLING_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What becomes of the event and of the endpoint. `next_at_s`: when an event that waits is tried again."""

    fate: Fate
    health: EndpointHealth
    failures: Failures = Failures()
    next_at_s: float = 0.0


def conclude(
    answer: Answer,
    failures: Failures,
    health: EndpointHealth,
    *,
    now_s: float,
    random_fraction: float,
    give_up_after_s: float = GIVE_UP_AFTER_S,
) -> Conclusion:
    """Apply the table above. `random_fraction` is a number in [0, 1)."""
    if answer.is_success:
        return Conclusion(fate="delivered", health=EndpointHealth(paused=health.paused))
    failures = _count(failures, now_s)
    in_a_row = _count(health.in_a_row, now_s)
    health = replace(health, in_a_row=in_a_row)
    if health.is_struggling:
        retry = in_a_row.count - STRUGGLING_AFTER
        delay_s = _ENDPOINT_BACKOFF.delay_s(retry=retry, random_fraction=random_fraction)
        health = replace(health, hold_until_s=now_s + delay_s)
    if answer.status == GONE:
        health = replace(health, paused="gone")
    elif in_a_row.has_lasted(give_up_after_s, now_s):
        health = replace(health, paused="failing")
    elif failures.has_lasted(give_up_after_s, now_s):
        return Conclusion(fate="given_up", health=health, failures=failures)
    delay_s = EVENT_BACKOFF.delay_s(retry=failures.count - 1, random_fraction=random_fraction)
    wanted_s = min(answer.retry_after_s, EVENT_BACKOFF.max_delay_s)
    next_at_s = now_s + max(delay_s, wanted_s)
    return Conclusion(fate="waits", health=health, failures=failures, next_at_s=next_at_s)


def _count(failures: Failures, now_s: float) -> Failures:
    """One more. A clock that was set back must not make the first one the last."""
    first_s = now_s if failures.count == 0 else min(failures.first_s, now_s)
    return Failures(count=failures.count + 1, first_s=first_s)
