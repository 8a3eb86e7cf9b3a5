"""What is read and published of received messages, against a naive store and every interleaving with crashes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.inbound.position import CODEC, FIRST_ROW, Position, new_position
from streams.domain.inbound.reader import (
    MAX_PENDING,
    MAX_UNFINISHED,
    ReadBatch,
    Reader,
    ReadRequest,
)

CHATS = ("a", "b", "c")
LIMIT = 3


@dataclass(frozen=True)
class Row:
    """A message in the naive store."""

    row: int
    key: str
    at_s: float
    chat: str
    is_pending: bool = False


class NaiveStore:
    """WhatsApp Web's messages as a list. A number is one more than the highest that exists."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.count = 0

    def arrive(self, chat: str, *, is_pending: bool = False) -> None:
        """A message arrives."""
        self.count += 1
        number = self.rows[-1].row + 1 if self.rows else FIRST_ROW
        self.rows.append(Row(number, f"m{self.count}", float(self.count), chat, is_pending))

    def read(self, request: ReadRequest) -> ReadBatch[Row]:
        """Answer as the page does."""
        by_row = {row.row: row for row in self.rows}
        by_key = {row.key: row for row in self.rows}
        anchor = by_row.get(request.row)
        if request.key and (anchor is None or anchor.key != request.key):
            return ReadBatch((), request.row, request.key, is_anchored=False)
        rows = [row for row in self.rows if row.row > request.row][:LIMIT]
        last = rows[-1] if rows else Row(request.row, request.key, 0.0, "")
        fresh = tuple(row for row in rows if row.at_s >= request.since_s)
        pending = tuple(by_key[key] for key in request.pending if key in by_key)
        return ReadBatch(fresh, last.row, last.key, pending)


class World:
    """The store, the sender and the topic."""

    def __init__(self) -> None:
        self.store = NaiveStore()
        self.topic: list[Row] = []
        self.stored = CODEC.encode(Position(since_s=0.0))
        self.deleted: set[str] = set()
        self.restart()

    def restart(self) -> None:
        """The sender is killed, and starts from what is durable."""
        self.reader: Reader[Row] = Reader(CODEC.decode(self.stored))
        self.waiting: dict[str, list[Row]] = {chat: [] for chat in CHATS}

    def read(self) -> None:
        """Read the next rows, if that is allowed."""
        request = self.reader.next_read()
        if request is not None:
            for row in self.reader.accept(request, self.store.read(request)):
                self.waiting[row.chat].append(row)

    def publish(self, chat: str) -> None:
        """Publish the oldest waiting message of a chat."""
        if self.waiting[chat]:
            row = self.waiting[chat].pop(0)
            self.topic.append(row)
            self.reader.finish(row)

    def store_position(self) -> None:
        """The position becomes durable."""
        self.stored = CODEC.encode(self.reader.position)

    def delete_last(self) -> None:
        """The last message is deleted on the phone: its number is given again."""
        if self.store.rows:
            self.deleted.add(self.store.rows.pop().key)

    def resolve(self) -> None:
        """The content of the oldest placeholder comes."""
        for index, row in enumerate(self.store.rows):
            if row.is_pending:
                self.store.rows[index] = replace(row, is_pending=False)
                return

    def drain(self) -> None:
        """Nothing happens any more, and everything is read."""
        for _ in range(len(self.store.rows) * 3 + 10):
            self.read()
            for chat in CHATS:
                while self.waiting[chat]:
                    self.publish(chat)


STEPS: dict[str, Callable[[World], None]] = {
    "arrive a": lambda world: world.store.arrive("a"),
    "arrive b": lambda world: world.store.arrive("b"),
    "placeholder c": lambda world: world.store.arrive("c", is_pending=True),
    "resolve": World.resolve,
    "read": World.read,
    "publish a": lambda world: world.publish("a"),
    "publish b": lambda world: world.publish("b"),
    "publish c": lambda world: world.publish("c"),
    "store": World.store_position,
    "crash": World.restart,
    "delete": World.delete_last,
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=60))
def test_every_message_is_published_in_the_order_of_its_chat(steps: list[str]) -> None:
    """Whatever happens in whatever order, nothing that stays in the store is missed, and chats stay in order."""
    world = World()
    for step in steps:
        STEPS[step](world)
    for _ in range(len(world.store.rows)):
        world.resolve()
    world.drain()
    first_seen = list(dict.fromkeys(row.key for row in world.topic))
    assert {row.key for row in world.store.rows} <= set(first_seen)
    assert not any(row.is_pending for row in world.topic)
    for chat in ("a", "b"):  # the content of a placeholder comes when it comes
        order = [row.key for row in world.topic if row.chat == chat]
        numbers = [int(key[1:]) for key in dict.fromkeys(order)]
        assert numbers == sorted(numbers)


@given(st.lists(st.sampled_from(["arrive a", "arrive b", "read", "publish a", "publish b"])))
def test_nothing_is_repeated_without_a_crash(steps: list[str]) -> None:
    """Each message is published once."""
    world = World()
    for step in steps:
        STEPS[step](world)
    world.drain()
    keys = [row.key for row in world.topic]
    assert sorted(keys, key=lambda key: int(key[1:])) == [row.key for row in world.store.rows]


@given(st.integers(0, 12), st.integers(0, 12))
def test_the_position_never_passes_what_is_not_published(before: int, published: int) -> None:
    """What is stored is at most the row before the oldest message that waits."""
    world = World()
    for _ in range(before):
        world.store.arrive("a")
        world.read()
    for _ in range(published):
        world.publish("a")
    waiting = world.waiting["a"]
    assert not waiting or world.reader.position.row < waiting[0].row


def test_a_reader_holds_a_bounded_number_of_messages() -> None:
    """A flood waits in the store: nothing more is read while too much is unpublished."""
    world = World()
    for _ in range(2 * MAX_UNFINISHED):
        world.store.arrive("a")
        world.read()
    assert world.reader.next_read() is None
    assert len(world.waiting["a"]) <= MAX_UNFINISHED + LIMIT
    world.drain()
    assert len(world.topic) == 2 * MAX_UNFINISHED


def test_placeholders_beyond_the_bound_are_published_as_they_are() -> None:
    """They are not lost: a consumer sees that there was something."""
    world = World()
    for _ in range(MAX_PENDING + 2):
        world.store.arrive("c", is_pending=True)
    world.drain()
    assert len(world.topic) == 2
    assert len(world.reader.position.pending) == MAX_PENDING


def test_a_placeholder_that_never_resolves_is_published_in_the_end() -> None:
    """After a day nobody waits for its content any more."""
    world = World()
    world.store.arrive("c", is_pending=True)
    world.drain()
    assert not world.topic
    world.store.count = 200_000
    world.store.arrive("a")
    world.drain()
    assert [row.key for row in world.topic] == ["m200001", "m1"]
    assert not world.reader.position.pending


def test_a_new_account_begins_with_what_arrives_now() -> None:
    """Older messages, such as a history, are not published."""
    world = World()
    world.stored = CODEC.encode(new_position(100.0, 50.0))
    world.restart()
    world.store.count = 48
    for _ in range(4):
        world.store.arrive("a")
    world.drain()
    assert [row.at_s for row in world.topic] == [50.0, 51.0, 52.0]
