"""Bans, time locks, caps and outages, with a clock that the test moves. No process."""

from streams.sandbox.state.events import Inbound, Linked, Message
from streams.sandbox.state.outages import Outages
from streams.sandbox.state.restrictions import Restrictions
from streams.sandbox.state.world import World

ME = "+905550000001"
OTHER = "+905550000002"
STRANGER = "+905551112233"
FRIEND = "+905551112244"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def make_restrictions() -> tuple[Restrictions, World, Clock]:
    """Two accounts; a friend has written to the first."""
    world, clock = World(), Clock()
    for phone in (ME, OTHER):
        world.apply(Linked(noise=phone, phone=phone))
    world.apply(Inbound(from_=FRIEND, to=ME, whatsapp_id="3A01", body="hello"))
    return Restrictions(lambda: world, clock), world, clock


def test_a_ban_expires() -> None:
    """`expire` counts down, and the ban ends by itself (WAWebTempBanScreen.react)."""
    restrictions, _, clock = make_restrictions()
    restrictions.set("ban", ME, 60)
    assert restrictions.remaining_ban(OTHER) is None
    clock.now_s += 50
    assert (restrictions.remaining_ban(ME) or {})["expire"] == 10
    clock.now_s += 10
    assert restrictions.remaining_ban(ME) is None


def test_a_time_lock_refuses_strangers_alone() -> None:
    """Who has written to the account gets its messages, and strangers do when the lock has ended."""
    restrictions, _, clock = make_restrictions()
    restrictions.set("time_lock", None, 60)
    assert restrictions.find_refusal(ME, STRANGER, "3EB001") == 463
    assert restrictions.find_refusal(ME, FRIEND, "3EB001") is None
    assert restrictions.time_lock(ME)["time_enforcement_ends"] == clock.now_s + 60
    clock.now_s += 60
    assert restrictions.find_refusal(ME, STRANGER, "3EB001") is None


def test_a_cap_counts_messages_to_strangers() -> None:
    """Each account has its own quota, and a used-up quota refuses strangers."""
    restrictions, _, _ = make_restrictions()
    restrictions.set("new_chat_cap", None, 2)
    assert [restrictions.count_message(ME, to) for to in (STRANGER, FRIEND, STRANGER)] == [
        True,
        False,
        True,
    ]
    cap = restrictions.new_chat_cap(ME) or {}
    assert (cap["used_quota"], cap["capping_status"]) == (2, "CAPPED")
    assert restrictions.find_refusal(ME, STRANGER, "3EB001") == 475
    assert restrictions.find_refusal(ME, FRIEND, "3EB001") is None
    assert restrictions.find_refusal(OTHER, STRANGER, "3EB001") is None


def test_each_update_is_newer_than_the_last() -> None:
    """The page ignores an update that is not newer (WAWebNewChatMessageCappingNotificationHandler)."""
    restrictions, _, _ = make_restrictions()
    restrictions.set("new_chat_cap", ME, 2)
    sent = [(restrictions.new_chat_cap(ME) or {})["server_sent_timestamp"] for _ in range(3)]
    assert sent == sorted(set(sent))


def test_a_repeat_is_not_refused() -> None:
    """The server has a message that it accepted before the lock."""
    restrictions, world, _ = make_restrictions()
    world.apply(
        Message(
            from_=ME,
            to=STRANGER,
            whatsapp_id="3EB001",
            type="text",
            body="",
            shown=True,
            acked=False,
            chat_id="905551112233@c.us",
        )
    )
    restrictions.set("time_lock", ME, 60)
    assert restrictions.find_refusal(ME, STRANGER, "3EB001") is None
    assert restrictions.find_refusal(ME, STRANGER, "3EB002") == 463


def test_clear() -> None:
    """Without a restriction, everybody may be written to."""
    restrictions, _, _ = make_restrictions()
    for name in ("ban", "time_lock", "new_chat_cap"):
        restrictions.set(name, ME, 0 if name == "new_chat_cap" else 60)
    restrictions.clear()
    assert restrictions.remaining_ban(ME) is None
    assert restrictions.new_chat_cap(ME) is None
    assert restrictions.find_refusal(ME, STRANGER, "3EB001") is None


def test_outages() -> None:
    """An outage of the network is one of the sockets too, and each ends by itself."""
    clock = Clock()
    outages = Outages(clock)
    outages.begin("socket_down_s", ME, 10)
    assert outages.is_socket_down(ME)
    assert not outages.is_socket_down(OTHER)
    assert not outages.is_network_down()
    outages.begin("network_down_s", None, 20)
    assert outages.is_socket_down(OTHER)
    assert outages.is_network_down()
    clock.now_s += 20
    assert not outages.is_socket_down(None)
    assert not outages.is_network_down()
