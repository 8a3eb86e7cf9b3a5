"""Whose turn it is, and when a phone is woken."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.routing import Availability, Capacity, choose_account
from streams.domain.phone.events import ScheduleDue, TimerFired
from streams.domain.phone.scheduling.scheduler import Scheduler
from streams.domain.phone.state import InFlight, Phone, Wait

READY = Availabilities({"main": Availability.READY})


def waiting(
    phone: str, *, rank: int = 1, timer_version: int = 1, reason: str = "account_busy"
) -> Phone:
    return Phone(
        phone=phone,
        timer_version=timer_version,
        waits=(Wait(reason=reason, account="main", priority_rank=rank),),
    )


def in_flight(phone: str, account: str = "main") -> Phone:
    message = InFlight(id="m", account=account, dispatch_number=1)
    return Phone(phone=phone, in_flight=message)


def test_a_dispatch_takes_a_slot_until_it_ends() -> None:
    """The free slots are those that no dispatch in flight takes."""
    scheduler = Scheduler(max_in_flight=2)
    scheduler.update("a", in_flight("a"))
    assert scheduler.get_capacities("b", READY) == {"main": Capacity(True, 1)}
    scheduler.update("a", None)
    assert scheduler.get_capacities("b", READY) == {"main": Capacity(True, 2)}


def test_turns_go_by_rank_and_then_by_arrival() -> None:
    """Urgent phones come first, and as many as there are slots."""
    scheduler = Scheduler(max_in_flight=2)
    for phone, rank in (("a", 1), ("b", 2), ("c", 0), ("d", 1)):
        scheduler.update(phone, waiting(phone, rank=rank))
    assert [timer.phone for timer in scheduler.wake_phones(READY)] == ["c", "a"]
    assert scheduler.wake_phones(READY) == []
    scheduler.update("c", None)
    assert [timer.phone for timer in scheduler.wake_phones(READY)] == ["d"]


def test_no_phone_jumps_the_queue() -> None:
    """While a waiting phone could have a slot, a new phone sees none; the woken phone does."""
    scheduler = Scheduler(max_in_flight=1)
    scheduler.update("a", waiting("a"))
    assert scheduler.get_capacities("new", READY) == {"main": Capacity(True, 0)}
    scheduler.wake_phones(READY)
    assert scheduler.get_capacities("a", READY) == {"main": Capacity(True, 1)}
    assert scheduler.get_capacities("new", READY) == {"main": Capacity(True, 0)}


def test_a_phone_that_must_wait_on_keeps_its_place() -> None:
    """If it was woken in vain, it stays before those that came later."""
    scheduler = Scheduler(max_in_flight=1)
    scheduler.update("a", waiting("a"))
    scheduler.wake_phones(READY)
    scheduler.update("b", waiting("b"))
    scheduler.update("a", waiting("a", timer_version=2))
    assert scheduler.wake_phones(READY) == [TimerFired(phone="a", timer_version=2)]


def test_a_phone_that_waits_for_an_account_is_woken_when_there_is_one() -> None:
    """Only as many phones are woken as there are slots."""
    scheduler = Scheduler(max_in_flight=1)
    for phone in ("a", "b"):
        scheduler.update(phone, waiting(phone, reason="no_account"))
    assert scheduler.wake_phones(Availabilities({"main": Availability.DOWN})) == []
    assert scheduler.wake_phones(Availabilities()) == []
    assert [timer.phone for timer in scheduler.wake_phones(READY)] == ["a"]


def test_a_turn_of_an_account_that_died_is_given_up() -> None:
    """Another account may take the message, or it waits for one: the step decides."""
    scheduler = Scheduler(max_in_flight=1)
    scheduler.update("a", waiting("a"))
    assert [
        timer.phone for timer in scheduler.wake_phones(Availabilities({"main": Availability.DOWN}))
    ] == ["a"]


def test_an_account_that_is_busy_is_waited_for() -> None:
    """It is ready, but has no slot until its pace allows it."""
    scheduler = Scheduler(max_in_flight=1)
    busy = Availabilities({"main": Availability.BUSY})
    assert scheduler.get_capacities("a", busy) == {"main": Capacity(True, 0)}
    scheduler.update("a", waiting("a"))
    assert scheduler.wake_phones(busy) == []
    assert [timer.phone for timer in scheduler.wake_phones(READY)] == ["a"]


def test_a_timer_fires_once_and_only_the_latest() -> None:
    """A row that waits for another time now is not woken at the old one."""
    scheduler = Scheduler(max_in_flight=1)
    scheduler.update("a", Phone(phone="a", timer_version=1, timer_at_s=10.0))
    scheduler.update("a", Phone(phone="a", timer_version=2, timer_at_s=20.0))
    scheduler.schedule("b", "m", 15.0)
    assert scheduler.next_timer_at_s() == 10.0
    assert scheduler.pop_due_events(12.0) == []
    assert scheduler.pop_due_events(20.0) == [
        TimerFired(phone="a", timer_version=2),
        ScheduleDue(phone="b", id="m"),
    ]
    assert (scheduler.pop_due_events(99.0), scheduler.next_timer_at_s()) == ([], float("inf"))


def test_memory_is_bounded_by_the_phones_that_wait() -> None:
    """A timer that was replaced long before its time leaves nothing behind, and the current ones stay."""
    scheduler = Scheduler(max_in_flight=1)
    for version in range(20_000):
        scheduler.update("a", Phone(phone="a", timer_version=version, timer_at_s=1e9 - version))
        scheduler.update("b", Phone(phone="b", timer_version=version, timer_at_s=1e9))
    assert len(scheduler._timers) <= 1001  # pyright: ignore[reportPrivateUsage]
    assert scheduler.next_timer_at_s() <= 1e9 - 19_999
    due = {timer.phone: timer.timer_version for timer in scheduler.pop_due_events(1e9)}
    assert due == {"a": 19_999, "b": 19_999}


class PartitionMachine(RuleBasedStateMachine):
    """Phones that want to send, accounts that come and go, wake-ups that take their time."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(max_in_flight=2)
        self.availabilities = Availabilities({"x": Availability.READY, "y": Availability.DOWN})
        self.rows: dict[str, Phone] = {}
        self.wakes: list[TimerFired] = []

    def step(self, phone: str) -> None:
        """What `step` does with a phone that has a message and nothing in flight."""
        row = self.rows.get(phone, Phone(phone=phone))
        if row.in_flight is None:
            choice = choose_account(
                None,
                row.account,
                self.scheduler.get_capacities(phone, self.availabilities),
                phone=phone,
            )
            if choice.account is not None:
                row = in_flight(phone, choice.account)
            else:
                wait = Wait(
                    reason=choice.blocked_reason, account=choice.required_account, priority_rank=1
                )
                row = Phone(
                    phone=phone,
                    timer_version=row.timer_version + 1,
                    waits=(wait,),
                    account=row.account,
                )
        self.rows[phone] = row
        self.scheduler.update(phone, row)

    @rule(phone=st.sampled_from("abcdefgh"))
    def wants(self, phone: str) -> None:
        self.step(phone)

    @rule(phone=st.sampled_from("abcdefgh"))
    def ends(self, phone: str) -> None:
        row = self.rows.get(phone)
        if row and row.in_flight:
            self.rows[phone] = Phone(phone=phone, account=row.in_flight.account)
            self.scheduler.update(phone, self.rows[phone])

    @rule(x=st.sampled_from(Availability), y=st.sampled_from(Availability))
    def accounts_change(self, x: Availability, y: Availability) -> None:
        self.availabilities = Availabilities({"x": x, "y": y})

    @rule()
    def phones_are_woken(self) -> None:
        self.wakes += self.scheduler.wake_phones(self.availabilities)

    @rule()
    def a_wake_up_arrives(self) -> None:
        if self.wakes:
            timer = self.wakes.pop(0)
            if self.rows[timer.phone].timer_version == timer.timer_version:
                self.step(timer.phone)
            else:
                self.scheduler.update(timer.phone, self.rows[timer.phone])

    @invariant()
    def never_more_than_the_slots(self) -> None:
        for account in "xy":
            out = [r for r in self.rows.values() if r.in_flight and r.in_flight.account == account]
            assert len(out) <= 2

    def teardown(self) -> None:
        """When accounts work and dispatches end, every phone that waits gets its turn."""
        self.availabilities = Availabilities({"x": Availability.READY, "y": Availability.READY})
        for _ in range(100):
            self.phones_are_woken()
            while self.wakes:
                self.a_wake_up_arrives()
            for phone in "abcdefgh":
                self.ends(phone)
        assert not any(row.waits for row in self.rows.values())


TestAPartition = PartitionMachine.TestCase
TestAPartition.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
