"""One message, under every number by which its recipient was reached: the rules about all of its events. Pure.

WhatsApp may have another number for the chat than the request. Then the events of one message have two recipients,
and are in two partitions: `requested_to` connects them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from streams.operations.audit.facts import MessageLog, RequestFact, StatusFact
from streams.operations.audit.history import History, join


class Thread:
    """The histories of one message, and its requests."""

    def __init__(self, histories: Sequence[History]) -> None:
        self._histories = histories
        self.facts = histories[0].facts if len(histories) == 1 else join(histories)
        answered = [history for history in histories if history.facts]
        self.log: MessageLog = (answered or histories)[-1].log

    @property
    def requests(self) -> list[RequestFact]:
        """The records that requested it."""
        return [request for history in self._histories for request in history.log.requests]

    @property
    def is_accepted(self) -> bool:
        """Whether it was accepted under any of its numbers."""
        return any(history.accepted for history in self._histories)

    @property
    def failures(self) -> list[StatusFact]:
        """The events that have a dead letter."""
        return [fact for history in self._histories for fact in history.failures]

    @property
    def _new_messages(self) -> int:
        return sum(history.new_messages for history in self._histories)

    def find_sent_twice(self) -> list[StatusFact]:
        """The events that show it, if it was sent more often than people allowed."""
        sent = [fact for history in self._histories for fact in history.sent]
        forced = {request.replay_of for request in self.requests if request.is_forced}
        return sent if len(sent) > 1 + len(forced) + self._new_messages else []

    def find_replayed_twice(self) -> list[StatusFact]:
        """The events that show it, if it was accepted more often than its dead letters were replayed."""
        replays = {request.replay_of for request in self.requests} - {None}
        again = [
            fact for history in self._histories for fact in history.accepted if fact.number > 1
        ]
        return again if len(again) > len(replays) else []


def join_linked(
    histories: Mapping[tuple[str, str], History], links: Collection[tuple[str, str, str]]
) -> Iterator[Thread]:
    """The messages of these histories, each with all of its histories."""
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def find_root(name: tuple[str, str]) -> tuple[str, str]:
        while (parent := parents.get(name, name)) != name:
            name = parent
        return name

    for requested_phone, phone, id_ in links:
        first, second = find_root((requested_phone, id_)), find_root((phone, id_))
        if first != second:
            parents[first] = second
    groups: defaultdict[tuple[str, str], list[History]] = defaultdict(list)
    for name, history in histories.items():
        groups[find_root(name)].append(history)
    yield from map(Thread, groups.values())
