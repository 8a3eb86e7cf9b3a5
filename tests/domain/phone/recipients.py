"""Several numbers, the log between them and WhatsApp's answers: the world of recipients with two spellings.

A test says which number each chat has (`canonical`), and the sender looks numbers up there. It decides nothing.
"""

from collections import Counter, deque
from dataclasses import dataclass, field

from streams.domain.phone.effects import (
    Dispatch,
    Effect,
    ForwardEvent,
    ForwardRequest,
    PublishStatus,
)
from streams.domain.phone.events import (
    Event,
    Moved,
    Priority,
    RequestReceived,
    Result,
    Sent,
    SourceRecord,
)
from streams.domain.policy import Policy
from streams.testing.phone_world import PhoneWorld

MAX_STEPS = 2000  # far more than any world here needs to come to rest


@dataclass
class Recipients:
    """The phones share a clock. What is forwarded waits in `log` until `deliver`."""

    policy: Policy = field(default_factory=Policy)
    canonical: dict[str, str] = field(default_factory=dict)
    has_duplicates: bool = False  # each effect is published twice, as after a crash
    now_s: float = 1_000_000.0
    phones: dict[str, PhoneWorld] = field(default_factory=dict)
    log: deque[Event] = field(default_factory=deque)
    hop_count: int = 0
    shown: list[tuple[str, str, float]] = field(default_factory=list)  # chat, id, time
    statuses: list[tuple[str, PublishStatus]] = field(default_factory=list)

    def get(self, phone: str) -> PhoneWorld:
        """The rows of this number, at the time of now."""
        world = self.phones.setdefault(phone, PhoneWorld(phone=phone, policy=self.policy))
        world.now_s = self.now_s
        return world

    # -- what happens

    def submit(
        self, phone: str, request_id: str, priority: Priority = "normal", **fields: object
    ) -> None:
        """A request that names this number arrives."""
        self._collect(phone, self.get(phone).submit(request_id, priority, **fields))

    def apply(self, event: Event) -> None:
        """An event of this number."""
        self._collect(event.phone, self.get(event.phone).apply(event))

    def deliver(self) -> None:
        """The first forwarded event reaches its number."""
        self.hop_count += 1
        self.apply(self.log.popleft())

    def conclude(self, phone: str, result: Result) -> None:
        """The sender concludes what is in flight with this result."""
        self._collect(phone, self.get(phone).conclude(result))

    def answer(self, phone: str) -> None:
        """The sender concludes what is in flight: it is shown, unless the number must be looked up and has moved."""
        world = self.get(phone)
        dispatch = get_last_dispatch(world.effects)
        target = self.canonical.get(phone, phone)
        if dispatch.chat_id is None and target != phone:
            self._collect(phone, world.conclude(Moved(phone=target), chat_id=f"chat of {target}"))
            return
        chat_id = dispatch.chat_id or f"chat of {phone}"
        self.shown.append((chat_id, dispatch.id, self.now_s))
        self._collect(phone, world.conclude(Sent(at_s=self.now_s), chat_id=chat_id))

    def wake(self, phone: str) -> None:
        """The timer of this number fires, if there is one."""
        world = self.get(phone)
        if world.row is not None and world.row.timer_at_s:
            self.now_s = max(self.now_s, world.row.timer_at_s)
            self._collect(phone, self.get(phone).fire_timer())

    def settle(self) -> None:
        """Until nothing is forwarded, in flight or waiting for a time."""
        for _ in range(MAX_STEPS):
            if self.log:
                self.deliver()
            elif busy := [p for p, w in self.phones.items() if w.row and w.row.in_flight]:
                self.answer(busy[0])
            elif waiting := self._list_timers():
                self.wake(min(waiting)[1])
            else:
                return
        raise AssertionError("it goes round for ever")

    def _list_timers(self) -> list[tuple[float, str]]:
        rows = [(phone, world.row) for phone, world in self.phones.items() if world.row]
        return [(row.timer_at_s, phone) for phone, row in rows if row.timer_at_s]

    def _collect(self, phone: str, effects: list[Effect]) -> None:
        forwarded = [
            make_event(effect) if isinstance(effect, ForwardRequest) else effect.event
            for effect in effects
            if isinstance(effect, ForwardRequest | ForwardEvent)
        ]
        self.log.extend(forwarded * (2 if self.has_duplicates else 1))
        self.statuses += [(phone, e) for e in effects if isinstance(e, PublishStatus)]

    # -- what is seen

    def shown_ids(self, chat_id: str | None = None) -> list[str]:
        """The ids that the recipients were shown, in order."""
        return [id_ for chat, id_, _ in self.shown if chat_id in (None, chat)]

    def count_shown(self) -> Counter[tuple[str, str]]:
        """How often each chat was shown each id."""
        return Counter((chat, id_) for chat, id_, _ in self.shown)

    def statuses_of(self, request_id: str) -> list[tuple[str, str]]:
        """Phone and status, in order."""
        return [(phone, e.status) for phone, e in self.statuses if e.id == request_id]


def make_event(effect: ForwardRequest) -> RequestReceived:
    """The record that the phone stage makes of it."""
    return RequestReceived(
        phone=effect.phone,
        request=effect.request,
        source_record=SourceRecord(topic="wa.outbound", partition=0, offset=0, value=b"{}"),
        content=b"{}",
        forwarding=effect.forwarding,
    )


def get_last_dispatch(effects: list[Effect]) -> Dispatch:
    """The dispatch that is in flight."""
    return next(effect for effect in reversed(effects) if isinstance(effect, Dispatch))
