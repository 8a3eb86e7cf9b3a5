"""The conversation with a recipient: what counts, which account serves it, and when it is forgotten."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, ForwardEvent
from streams.domain.phone.events import Deferred, InboundSeen, Moved, RetentionElapsed, Sent
from streams.domain.policy import Policy
from streams.testing.phone_world import PHONE, PhoneWorld

TWO_READY = {name: Capacity(is_ready=True, free_slots=8) for name in ("main", "sales")}


def receive(world: PhoneWorld, whatsapp_id: str, account: str = "main") -> None:
    world.apply(InboundSeen(phone=world.phone, account=account, whatsapp_id=whatsapp_id))


def test_the_account_that_was_written_to_last_serves_the_conversation() -> None:
    """A person who writes to another account is answered from there."""
    world = PhoneWorld(accounts=TWO_READY)
    for account in ("sales", "main", "sales"):
        receive(world, f"in-{world.offset}", account)
        effects = world.submit(f"m-{world.offset}")
        assert [e.account for e in effects if isinstance(e, Dispatch)] == [account]
        world.conclude(Sent(at_s=world.now_s))


def test_an_account_that_was_written_to_is_not_closed() -> None:
    """An answer opens no new chat, so an account that may open none may answer."""
    locked = Capacity(is_ready=True, free_slots=8, is_new_chat_allowed=False)
    world = PhoneWorld(accounts={"main": locked})
    world.submit("a")
    world.conclude(Deferred(error=Error("new_chats_restricted"), until_s=world.now_s + 600))
    assert world.row is not None
    assert "main" in world.row.closures
    receive(world, "in")
    assert not world.row.closures
    assert world.dispatched_ids() == ["a", "a"]


def test_what_an_alias_receives_goes_on_to_the_number_of_the_chat() -> None:
    """The conversation is at the number that WhatsApp has for the chat."""
    world = PhoneWorld()
    world.submit("a")
    world.conclude(Moved(phone="+60111111111"))
    effects = world.apply(InboundSeen(phone=PHONE, account="main", whatsapp_id="in"))
    (forwarded,) = [e.event for e in effects if isinstance(e, ForwardEvent)]
    assert forwarded.phone == "+60111111111"
    assert forwarded.forwarding is not None
    assert forwarded.forwarding.path == (PHONE,)
    assert world.row is not None
    assert world.row.conversation is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "receive", "send", "forget"]),
        st.integers(0, 5),  # the number of a message that is received
        st.sampled_from([1.0, 30.0, 59.0, 60.0, 61.0]),  # seconds until it happens
    ),
    max_size=30,
)


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_the_conversation_is_that_of_a_naive_model(steps: list[tuple[str, int, float]]) -> None:
    """Counts and times are those since the last silence of `WA_CONVERSATION_EXPIRY_S`, each message counted once."""
    world = PhoneWorld(policy=Policy(conversation_expiry_s=60.0))
    written: list[tuple[float, str]] = []  # of the conversation that goes on
    for index, (kind, number, pause_s) in enumerate(steps):
        world.now_s += pause_s
        if written and world.now_s >= written[-1][0] + 60.0:
            written = []
        match kind:
            case "receive":
                receive(world, f"in{number}")
                if not any(name == f"in{number}" for _, name in written):
                    written.append((world.now_s, f"in{number}"))
            case "send":
                world.submit(f"m{index}")
                world.conclude(Sent(at_s=world.now_s))
                written.append((world.now_s, "sent"))
            case _:
                world.apply(RetentionElapsed(phone=PHONE))
                assert world.row is None or bool(world.row.conversation) == bool(written)
        if kind == "forget" or world.row is None or not written:
            continue
        conversation = world.row.conversation
        assert conversation is not None
        received_s = [at_s for at_s, name in written if name != "sent"]
        sent_s = [at_s for at_s, name in written if name == "sent"]
        assert (conversation.received_count, conversation.sent_count) == (
            len(received_s),
            len(sent_s),
        )
        assert conversation.last_received_at_s == max(received_s, default=0.0)
        assert conversation.last_sent_at_s == max(sent_s, default=0.0)
