"""What the phones of one partition wait for, and whose turn it is: derived data, rebuilt from the rows.

It decides when a phone is looked at again, and never what then happens: its only act is to name
events (`Woken`, `Due`) that the clock sends to the log. No clock, no dice, no I/O here.

Each account has `window` places for releases in this partition. While phones wait for a turn, nobody
takes a place but the one whose turn it is: so a flood to one phone starves nobody, and an urgent
message overtakes across phones.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from streams.domain.accounts.routing import Able, Accounts, Standing
from streams.domain.phone.events import Due, Woken
from streams.domain.phone.state import Phone, Wait

MOST_AWAKE = 64  # phones whose wake is on its way through the log at one time

Place = tuple[str, str | None]  # what is waited for: the reason and the only account that would do


class _Waiting(msgspec.Struct):
    """A phone that waits. `since` is its place in the order of arrival, kept from wake to wake."""

    rev: int
    since: int
    waits: tuple[Wait, ...]
    due_s: float


class Agenda:
    """One partition's phones. `able` says of each known account what it can do now."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._waiting: dict[str, _Waiting] = {}
        self._flights: dict[str, str] = {}
        self._outstanding: Counter[str] = Counter()
        self._awake: dict[str, Place] = {}
        self._lines: defaultdict[Place, list[tuple[int, int, str]]] = defaultdict(list)
        self._dues: list[tuple[float, str, int]] = []
        self._scheduled: list[tuple[float, str, str]] = []
        self._arrivals = 0

    def __len__(self) -> int:
        """How many phones wait for a time or a turn."""
        return len(self._waiting)

    @property
    def outstanding(self) -> int:
        """How many releases are out."""
        return len(self._flights)

    # -- what is so

    def see(self, phone: str, row: Phone | None) -> None:
        """The phone's row is this now; None: it has none. Ends the phone's turn."""
        was_awake = self._awake.pop(phone, None) is not None
        self._see_flight(phone, row.flight.account if row and row.flight else None)
        if row is None or not (row.waits or row.due_s):
            self._waiting.pop(phone, None)
            return
        before = self._waiting.get(phone)
        waiting = _Waiting(row.rev, self._since(before), row.waits, row.due_s)
        self._waiting[phone] = waiting
        if row.due_s and (before is None or (before.due_s, before.rev) != (row.due_s, row.rev)):
            heapq.heappush(self._dues, (row.due_s, phone, row.rev))
        stands = before.waits if before is not None and not was_awake else ()
        for wait in row.waits:
            if wait not in stands:
                line = self._lines[wait.reason, wait.account]
                heapq.heappush(line, (wait.rank, waiting.since, phone))

    def schedule(self, phone: str, request_id: str, at_s: float) -> None:
        """A message is to join its lane at this time; one that has left meanwhile is no harm."""
        heapq.heappush(self._scheduled, (at_s, phone, request_id))

    def _see_flight(self, phone: str, account: str | None) -> None:
        before = self._flights.pop(phone, None)
        if before is not None:
            self._outstanding[before] -= 1
        if account is not None:
            self._flights[phone] = account
            self._outstanding[account] += 1

    def _since(self, before: _Waiting | None) -> int:
        if before is not None and before.waits:
            return before.since
        self._arrivals += 1
        return self._arrivals

    # -- what a step may use

    def standings(self, phone: str, able: Mapping[str, Able]) -> Accounts:
        """The accounts as this phone's next step may see them: whose turn it is not finds none free."""
        mine = phone in self._awake
        contended = not mine and any(self._may_go(place, able) for place in self._places())
        return {
            name: Standing(how is not Able.DOWN, 0 if contended else self._free(name, how, phone))
            for name, how in able.items()
        }

    def _free(self, account: str, how: Able, besides: str = "") -> int:
        if how is not Able.READY:
            return 0
        promised = sum(
            place[1] in (account, None) for phone, place in self._awake.items() if phone != besides
        )
        return max(0, self._window - self._outstanding[account] - promised)

    # -- what is to happen

    def due(self, now_s: float) -> list[Woken | Due]:
        """The events whose time has come; each is named once."""
        return [*self._due_phones(now_s), *self._due_messages(now_s)]

    def next_s(self) -> float:
        """When `due` will name something next; infinity if nothing waits for a time."""
        times = [heap[0][0] for heap in (self._dues, self._scheduled) if heap]
        return min(times, default=float("inf"))

    def turns(self, able: Mapping[str, Able]) -> list[Woken]:
        """The phones whose turn it is now, urgent ones first; each has its place until it is seen."""
        woken: list[Woken] = []
        while len(self._awake) < MOST_AWAKE:
            place = self._next_place(able)
            if place is None:
                break
            phone = heapq.heappop(self._lines[place])[2]
            self._awake[phone] = place
            woken.append(Woken(phone=phone, rev=self._waiting[phone].rev))
        return woken

    def _due_phones(self, now_s: float) -> Iterator[Woken]:
        while self._dues and self._dues[0][0] <= now_s:
            due_s, phone, rev = heapq.heappop(self._dues)
            waiting = self._waiting.get(phone)
            if waiting is not None and (waiting.due_s, waiting.rev) == (due_s, rev):
                yield Woken(phone=phone, rev=rev)

    def _due_messages(self, now_s: float) -> Iterator[Due]:
        while self._scheduled and self._scheduled[0][0] <= now_s:
            _, phone, request_id = heapq.heappop(self._scheduled)
            yield Due(phone=phone, id=request_id)

    def _next_place(self, able: Mapping[str, Able]) -> Place | None:
        open_ = [place for place in self._places() if self._may_go(place, able)]
        return min(open_, key=lambda place: self._lines[place][0], default=None)

    def _places(self) -> Iterable[Place]:
        """The lines in which somebody still waits."""
        for place in list(self._lines):
            line = self._lines[place]
            while line and not self._stands(place, line[0]):
                heapq.heappop(line)
            if line:
                yield place
            else:
                del self._lines[place]

    def _stands(self, place: Place, entry: tuple[int, int, str]) -> bool:
        rank, since, phone = entry
        waiting = self._waiting.get(phone)
        if waiting is None or waiting.since != since or phone in self._awake:
            return False
        return any((w.reason, w.account, w.rank) == (*place, rank) for w in waiting.waits)

    def _may_go(self, place: Place, able: Mapping[str, Able]) -> bool:
        """Whether a step could now end differently for who waits there.

        Who waits for a turn of an account that is no longer ready may have another one.
        """
        reason, account = place
        fit = {name: how for name, how in able.items() if account in (name, None)}
        if reason == "turn" and all(how is Able.DOWN for how in fit.values()):
            return True
        return any(self._free(name, how) > 0 for name, how in fit.items())
