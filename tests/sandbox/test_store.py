"""The world and its journal: what was recorded is there again, whatever happened to the process."""

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
from streams.sandbox.state.world import READ, UnknownAccount, World

ME = "+905550000001"
PEER = "+905551112233"
LINKED = Linked(noise="n", phone=ME)


def message(whatsapp_id: str = "3EB001", *, shown: bool = True, acked: bool = True) -> Message:
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


def world(*facts: AnyEvent) -> World:
    made = World()
    for fact in facts:
        made.apply(fact)
    return made


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
    """Each device is linked by itself, and unlinked by itself."""
    made = world(LINKED, Linked(noise="m", phone=ME), Unlinked(noise="n"))
    assert (made.phone_of_device("n"), made.phone_of_device("m")) == (None, ME)
    assert made.get_account(ME).devices == {"m"}
    with pytest.raises(UnknownAccount, match=re.escape(PEER)):
        made.get_account(PEER)


def test_numbers_and_chats() -> None:
    """A number goes by its own name unless it was given another."""
    other = NumberLookup(chat_id="551187654321@c.us")
    made = world(
        NumbersChanged(numbers={"+5511987654321": other, PEER: NumberLookup(on_whatsapp=False)})
    )
    assert (
        made.is_on_whatsapp(PEER),
        made.is_on_whatsapp(ME),
        made.is_on_whatsapp("+5511987654321"),
    ) == (
        False,
        True,
        True,
    )
    assert made.chat_id_of_phone("+5511987654321") == "551187654321@c.us"
    assert made.phone_of_chat_id("551187654321@c.us") == "+5511987654321"
    assert made.phone_of_chat_id(made.chat_id_of_phone(ME)) == ME


def test_receipts_are_owed_until_the_page_has_confirmed_them() -> None:
    """A read after the delivery is owed anew."""
    made = world(LINKED, message())
    assert list(made.get_account(ME).unconfirmed) == [(PEER, "3EB001")]
    made.apply(ReceiptConfirmed(to=PEER, whatsapp_id="3EB001", ack=2))
    assert made.get_account(ME).unconfirmed == {}
    made.apply(MessagesRead(by=PEER, to=ME))
    assert [shown.ack for shown in made.get_account(ME).unconfirmed.values()] == [READ]
    made.apply(ReceiptConfirmed(to=PEER, whatsapp_id="3EB001", ack=READ))
    assert made.get_account(ME).unconfirmed == {}
    assert made.get_account(ME).unread == {}


def test_an_ack_that_was_lost_comes_with_the_repeat() -> None:
    """The message is shown once; from then on its receipts may come."""
    made = world(LINKED, message(acked=False))
    assert not made.find_message(PEER, "3EB001").acked  # pyright: ignore[reportOptionalMemberAccess]
    made.apply(message(shown=False))
    assert made.find_message(PEER, "3EB001").acked  # pyright: ignore[reportOptionalMemberAccess]
    assert len(made.messages_after(-1)) == 2


def test_inbound_waits_until_it_is_confirmed() -> None:
    """In the inbox of the account it is for."""
    made = world(LINKED, Inbound(from_=PEER, to=ME, whatsapp_id="3A01", body="hi"))
    assert list(made.get_account(ME).inbox) == ["3A01"]
    made.apply(InboundConfirmed(whatsapp_id="3A01"))
    assert made.get_account(ME).inbox == {}


# -- the journal


def test_seq_and_time_are_the_stores(store: Store) -> None:
    """Counted over all facts; what was recorded is what is returned."""
    linked = store.record(LINKED)
    sent = store.record(message())
    assert (linked.seq, sent.seq) == (1, 2)
    assert linked.at.endswith("Z")
    assert linked.at <= sent.at
    assert store.world.messages_after(0) == [sent]
    assert store.world.messages_after(2) == []
    assert store.world.events_after(0) == [linked, sent]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=30))
def test_a_store_that_is_opened_again_has_the_same_world(
    tmp_path_factory: pytest.TempPathFactory, sends: list[tuple[str, bool]]
) -> None:
    """And goes on counting where it was."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    first = Store(path)
    first.record(LINKED)
    for whatsapp_id, acked in sends:
        is_new = first.world.find_message(PEER, whatsapp_id) is None
        first.record(message(whatsapp_id, shown=is_new, acked=acked))
    again = Store(path)
    assert again.world.events_after(0) == first.world.events_after(0)
    assert again.world.get_account(ME) == first.world.get_account(ME)
    assert again.record(message("z")).seq == len(sends) + 2
    first.close()
    again.close()


def test_a_line_cut_short_is_dropped(path: Path, store: Store) -> None:
    """It was told to nobody; what is written after it is whole again."""
    store.record(LINKED)
    with path.open("ab") as file:
        file.write(b'{"event":"message","seq":2,"to')
    again = Store(path)
    assert again.world.last_seq == 1
    again.record(message())
    third = Store(path)
    assert third.world.events_after(0) == again.world.events_after(0)
    again.close()
    third.close()


def test_reset(path: Path, store: Store) -> None:
    """Nothing has happened, neither here nor on disk."""
    store.record(LINKED)
    store.reset()
    assert (store.world.last_seq, path.read_bytes()) == (0, b"")
    assert store.record(LINKED).seq == 1
