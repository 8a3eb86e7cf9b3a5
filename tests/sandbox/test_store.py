"""The world and its journal: a recorded event is there again, whatever happened to the process."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.sandbox.state.events import (
    AnyEvent,
    Inbound,
    InboundConfirmed,
    Linked,
    Message,
    MessagesRead,
    NumberLookup,
    NumbersChanged,
    ReceiptConfirmed,
    Unlinked,
)
from streams.sandbox.state.store import Store
from streams.sandbox.state.world import UnknownAccount, World
from streams.whatsapp.driver import AckLevel

ME = "+905550000001"
PEER = "+905551112233"
LINKED = Linked(noise="n", phone=ME)


def make_message(whatsapp_id: str = "3EB001", *, shown: bool = True, acked: bool = True) -> Message:
    """A text message."""
    return Message(
        from_=ME,
        to=PEER,
        whatsapp_id=whatsapp_id,
        type="text",
        body="hello",
        shown=shown,
        acked=acked,
        chat_id="905551112233@c.us",
    )


def make_world(*events: AnyEvent) -> World:
    """The world after these events."""
    world = World()
    for event in events:
        world.apply(event)
    return world


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store(path)
    yield store
    store.close()


# -- the world


def test_an_account_is_known_by_its_devices() -> None:
    """Each device is linked and unlinked separately."""
    world = make_world(LINKED, Linked(noise="m", phone=ME), Unlinked(noise="n"))
    assert (world.phone_of_device("n"), world.phone_of_device("m")) == (None, ME)
    assert world.get_account(ME).devices == {"m": 2}
    with pytest.raises(UnknownAccount, match=re.escape(PEER)):
        world.get_account(PEER)


def test_numbers_and_chats() -> None:
    """A number has its own chat unless it was given another."""
    other = NumberLookup(chat_id="551187654321@c.us")
    world = make_world(
        NumbersChanged(numbers={"+5511987654321": other, PEER: NumberLookup(on_whatsapp=False)})
    )
    assert (
        world.is_on_whatsapp(PEER),
        world.is_on_whatsapp(ME),
        world.is_on_whatsapp("+5511987654321"),
    ) == (
        False,
        True,
        True,
    )
    ids = world.ids_of_phone("+5511987654321")
    assert (ids.pn, ids.lid) == ("551187654321@c.us", "71234567891155@lid")
    for user_id in (ids.pn, ids.lid):
        assert world.phone_of_chat_id(user_id) == "+5511987654321"
    assert world.phone_of_chat_id(world.ids_of_phone(ME).pn) == ME


def test_a_chat_has_one_owner_under_every_number() -> None:
    """Both spellings, and a third one, have the same two ids; a number that is set anew leaves the chat."""
    chat = NumberLookup(chat_id="554188887777@c.us")
    spellings = ["+5541988887777", "+550000000000"]
    world = make_world(NumbersChanged(numbers=dict.fromkeys(spellings, chat)))
    ids = {world.ids_of_phone(phone) for phone in spellings}
    ids.add(world.ids_of_phone(world.phone_of_chat_id("554188887777@c.us")))
    assert len(ids) == 1
    world.apply(NumbersChanged(numbers={spellings[0]: NumberLookup()}))
    assert world.ids_of_phone(spellings[0]).pn == "5541988887777@c.us"
    assert world.ids_of_phone(spellings[1]).pn == "554188887777@c.us"


def test_receipts_are_due_until_the_page_has_confirmed_them() -> None:
    """A read after the confirmed delivery is due again."""
    world = make_world(LINKED, make_message())
    assert list(world.get_account(ME).unconfirmed) == [(PEER, "3EB001")]
    world.apply(ReceiptConfirmed(to=PEER, whatsapp_id="3EB001", ack=2))
    assert world.get_account(ME).unconfirmed == {}
    world.apply(MessagesRead(by=PEER, to=ME))
    assert [shown.ack for shown in world.get_account(ME).unconfirmed.values()] == [AckLevel.READ]
    world.apply(ReceiptConfirmed(to=PEER, whatsapp_id="3EB001", ack=AckLevel.READ))
    assert world.get_account(ME).unconfirmed == {}
    assert world.get_account(ME).unread == {}


def test_a_lost_ack_comes_with_the_repeat() -> None:
    """The message is shown once, and from the repeat on its receipts may come."""
    world = make_world(LINKED, make_message(acked=False))
    assert not world.find_message(PEER, "3EB001").acked  # pyright: ignore[reportOptionalMemberAccess]
    world.apply(make_message(shown=False))
    assert world.find_message(PEER, "3EB001").acked  # pyright: ignore[reportOptionalMemberAccess]
    assert len(world.messages_after(-1)) == 2


def test_inbound_waits_until_it_is_confirmed() -> None:
    """An inbound message stays in the account's inbox until then."""
    world = make_world(LINKED, Inbound(from_=PEER, to=ME, whatsapp_id="3A01", body="hi"))
    assert list(world.get_account(ME).inbox) == ["3A01"]
    world.apply(InboundConfirmed(whatsapp_id="3A01"))
    assert world.get_account(ME).inbox == {}


# -- the journal


def test_the_store_sets_seq_and_time(store: Store) -> None:
    """All events are counted together, and the recorded event is returned."""
    linked = store.record(LINKED)
    sent = store.record(make_message())
    assert (linked.seq, sent.seq) == (1, 2)
    assert linked.at.endswith("Z")
    assert linked.at <= sent.at
    assert store.world.messages_after(0) == [sent]
    assert store.world.messages_after(2) == []
    assert store.world.events_after(0) == [linked, sent]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=30))
def test_a_reopened_store_has_the_same_world(
    tmp_path_factory: pytest.TempPathFactory, sends: list[tuple[str, bool]]
) -> None:
    """It also goes on counting from the last event."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    first = Store(path)
    first.record(LINKED)
    for whatsapp_id, acked in sends:
        is_new = first.world.find_message(PEER, whatsapp_id) is None
        first.record(make_message(whatsapp_id, shown=is_new, acked=acked))
    again = Store(path)
    assert again.world.events_after(0) == first.world.events_after(0)
    assert again.world.get_account(ME) == first.world.get_account(ME)
    assert again.record(make_message("z")).seq == len(sends) + 2
    first.close()
    again.close()


def test_a_line_cut_short_is_dropped(path: Path, store: Store) -> None:
    """The cut line was reported to nobody, and what is written after it is complete."""
    store.record(LINKED)
    with path.open("ab") as file:
        file.write(b'{"event":"message","seq":2,"to')
    again = Store(path)
    assert again.world.last_seq == 1
    again.record(make_message())
    third = Store(path)
    assert third.world.events_after(0) == again.world.events_after(0)
    again.close()
    third.close()


def test_reset(path: Path, store: Store) -> None:
    """After a reset there is no event, neither in memory nor on disk."""
    store.record(LINKED)
    store.reset()
    assert (store.world.last_seq, path.read_bytes()) == (0, b"")
    assert store.record(LINKED).seq == 1
