"""The rules about all messages to one recipient: the limit, and the order. Pure.

Times. `at` of `sent` is when the outcome was appended to the log. WhatsApp had the message before that, usually by
less than a second, and by up to the whole time of a doubt after a crash. The service counts the same times, and
dispatches a message only a whole window after the message that leaves the window. So more than `limit` of these times
in 60 s prove that the service broke its own rule. Fewer prove that it kept the rule, and they show the arrivals at
WhatsApp only as exactly as `at` does: the log of the sandbox is the judge of those.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from streams.contract.status import Reason
from streams.operations.audit.facts import StatusFact
from streams.operations.audit.history import History

WINDOW_MS: Final = 60_000
# A message that waited for one of these left its place in the queue.
_LEAVES_QUEUE: Final[frozenset[Reason | None]] = frozenset(
    {"scheduled", "quiet_hours", "attempt_in_doubt"}
)


class Burst(NamedTuple):
    """More messages in one window than allowed."""

    events: tuple[StatusFact, ...]
    request_id: str  # of the last one


class Overtaken(NamedTuple):
    """A message that was accepted first, and one behind it that was sent first. `is_waiting`: the first still waits."""

    first: History
    second: History
    is_waiting: bool


def find_bursts(histories: Iterable[History], limit: int) -> tuple[list[Burst], int]:
    """Each burst above the limit, and how often the clock was set back, which hides what was before."""
    sends = [(fact, history.log.id) for history in histories for fact in history.send_times]
    sends.sort(key=lambda send: (send[0].partition, send[0].offset))
    bursts: list[Burst] = []
    clock_steps = 0
    window: deque[StatusFact] = deque(maxlen=limit)
    for fact, request_id in sends:
        if window and fact.at_ms < window[-1].at_ms:
            clock_steps += 1
            window.clear()
        if len(window) == limit and fact.at_ms - window[0].at_ms < WINDOW_MS:
            bursts.append(Burst((*window, fact), request_id))
            window.clear()  # one burst is one violation
        window.append(fact)
    return bursts, clock_steps


def find_overtaken(histories: Iterable[History]) -> list[Overtaken]:
    """Messages that were overtaken by a later one of the same queue that may use the same accounts."""
    queues: defaultdict[str, list[History]] = defaultdict(list)
    for history in histories:
        queue = _get_queue(history)
        if queue is not None:
            queues[queue].append(history)
    return [pair for queue in queues.values() for pair in _compare(queue)]


def _get_queue(history: History) -> str | None:
    """Priority and category, if the place of the message in the order can be judged."""
    requests, accepted = history.log.requests, history.accepted
    if len(accepted) != 1 or accepted[0].number != 1 or not requests or history.new_messages:
        return None
    if not all(request.is_plain for request in requests):
        return None
    if any(fact.reason in _LEAVES_QUEUE for fact in history.facts):
        return None
    names = {request.queue for request in requests}
    return names.pop() if len(names) == 1 else None


def _compare(queue: Sequence[History]) -> list[Overtaken]:
    ordered = sorted(queue, key=lambda history: history.accepted[0].offset)
    found: list[Overtaken] = []
    latest: History | None = None  # of those before it, the one that was sent last
    waiting: History | None = None
    for history in ordered:
        if not history.sent:
            waiting = history if waiting is None and history.is_open else waiting
            continue
        if waiting is not None:
            found.append(Overtaken(waiting, history, is_waiting=True))
            waiting = None
        if latest is not None and history.sent[0].offset < latest.sent[0].offset:
            found.append(Overtaken(latest, history, is_waiting=False))
        else:
            latest = history
    return found
