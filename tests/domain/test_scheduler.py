"""Whose turn it is, and when a phone is looked at again."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.domain.accounts.routing import Availability, Capacity, choose_account
from streams.domain.accounts.scheduler import Scheduler
from streams.domain.phone.events import ScheduleDue, TimerFired
from streams.domain.phone.state import InFlight, Phone, Wait

READY = {"main": Availability.READY}


def waiting(phone: str, *, rank: int = 1, rev: int = 1, reason: str = "account_busy") -> Phone:
    return Phone(
        phone=phone,
        timer_version=rev,
        waits=(Wait(reason=reason, account="main", priority_rank=rank),),
    )


def flying(phone: str, account: str = "main") -> Phone:
    flight = InFlight(id="m", account=account, dispatch_number=1, dispatched_at_s=0, deadline_s=30)
    return Phone(phone=phone, in_flight=flight)


def test_a_flight_takes_a_place_until_it_ends() -> None:
    """`free` counts the releases that are out, and no more."""
    agenda = Scheduler(max_in_flight=2)
    agenda.update("a", flying("a"))
    assert agenda.get_capacities("b", READY) == {"main": Capacity(True, 1)}
    agenda.update("a", None)
    assert agenda.get_capacities("b", READY) == {"main": Capacity(True, 2)}


def test_turns_go_by_rank_and_then_by_arrival() -> None:
    """Urgent first; as many as there are places."""
    agenda = Scheduler(max_in_flight=2)
    for phone, rank in (("a", 1), ("b", 2), ("c", 0), ("d", 1)):
        agenda.update(phone, waiting(phone, rank=rank))
    assert [woken.phone for woken in agenda.wake_phones(READY)] == ["c", "a"]
    assert agenda.wake_phones(READY) == []
    agenda.update("c", None)
    assert [woken.phone for woken in agenda.wake_phones(READY)] == ["d"]


def test_nobody_jumps_the_queue() -> None:
    """While a place could go to who waits, a phone that just arrived sees none; who is woken does."""
    agenda = Scheduler(max_in_flight=1)
    agenda.update("a", waiting("a"))
    assert agenda.get_capacities("new", READY) == {"main": Capacity(True, 0)}
    agenda.wake_phones(READY)
    assert agenda.get_capacities("a", READY) == {"main": Capacity(True, 1)}
    assert agenda.get_capacities("new", READY) == {"main": Capacity(True, 0)}


def test_a_phone_that_must_wait_on_keeps_its_place() -> None:
    """Woken in vain, it stands before those that came later."""
    agenda = Scheduler(max_in_flight=1)
    agenda.update("a", waiting("a"))
    agenda.wake_phones(READY)
    agenda.update("b", waiting("b"))
    agenda.update("a", waiting("a", rev=2))
    assert agenda.wake_phones(READY) == [TimerFired(phone="a", timer_version=2)]


def test_who_waits_for_an_account_is_woken_when_there_is_one() -> None:
    """Not before, and only as many as have a place."""
    agenda = Scheduler(max_in_flight=1)
    for phone in ("a", "b"):
        agenda.update(phone, waiting(phone, reason="no_account"))
    assert agenda.wake_phones({"main": Availability.DOWN}) == []
    assert agenda.wake_phones({}) == []
    assert [woken.phone for woken in agenda.wake_phones(READY)] == ["a"]


def test_a_turn_of_an_account_that_died_is_given_up() -> None:
    """Another account may take the message, or it waits for one: the step decides."""
    agenda = Scheduler(max_in_flight=1)
    agenda.update("a", waiting("a"))
    assert [woken.phone for woken in agenda.wake_phones({"main": Availability.DOWN})] == ["a"]


def test_an_account_that_is_busy_is_waited_for() -> None:
    """It is ready, but has no place for anybody until its pace lets it."""
    agenda = Scheduler(max_in_flight=1)
    busy = {"main": Availability.BUSY}
    assert agenda.get_capacities("a", busy) == {"main": Capacity(True, 0)}
    agenda.update("a", waiting("a"))
    assert agenda.wake_phones(busy) == []
    assert [woken.phone for woken in agenda.wake_phones(READY)] == ["a"]


def test_times_come_once_and_only_the_last_said() -> None:
    """A row that changed its mind is not woken for the old time."""
    agenda = Scheduler(max_in_flight=1)
    agenda.update("a", Phone(phone="a", timer_version=1, timer_at_s=10.0))
    agenda.update("a", Phone(phone="a", timer_version=2, timer_at_s=20.0))
    agenda.schedule("b", "m", 15.0)
    assert agenda.next_timer_at_s() == 10.0
    assert agenda.pop_due_events(12.0) == []
    assert agenda.pop_due_events(20.0) == [
        TimerFired(phone="a", timer_version=2),
        ScheduleDue(phone="b", id="m"),
    ]
    assert (agenda.pop_due_events(99.0), agenda.next_timer_at_s()) == ([], float("inf"))


class APartition(RuleBasedStateMachine):
    """Phones that want to send, accounts that come and go, wakes that take their time."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Scheduler(max_in_flight=2)
        self.able = {"x": Availability.READY, "y": Availability.DOWN}
        self.rows: dict[str, Phone] = {}
        self.wakes: list[TimerFired] = []

    def step(self, phone: str) -> None:
        """What `step` does with a phone that has a message and nothing in flight."""
        row = self.rows.get(phone, Phone(phone=phone))
        if row.in_flight is None:
            choice = choose_account(None, row.account, self.agenda.get_capacities(phone, self.able))
            if choice.account is not None:
                row = flying(phone, choice.account)
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
        self.agenda.update(phone, row)

    @rule(phone=st.sampled_from("abcdefgh"))
    def wants(self, phone: str) -> None:
        self.step(phone)

    @rule(phone=st.sampled_from("abcdefgh"))
    def lands(self, phone: str) -> None:
        row = self.rows.get(phone)
        if row and row.in_flight:
            self.rows[phone] = Phone(phone=phone, account=row.in_flight.account)
            self.agenda.update(phone, self.rows[phone])

    @rule(x=st.sampled_from(Availability), y=st.sampled_from(Availability))
    def accounts_change(self, x: Availability, y: Availability) -> None:
        self.able = {"x": x, "y": y}

    @rule()
    def turns(self) -> None:
        self.wakes += self.agenda.wake_phones(self.able)

    @rule()
    def a_wake_arrives(self) -> None:
        if self.wakes:
            woken = self.wakes.pop(0)
            if self.rows[woken.phone].timer_version == woken.timer_version:
                self.step(woken.phone)
            else:
                self.agenda.update(woken.phone, self.rows[woken.phone])

    @invariant()
    def never_more_than_the_window(self) -> None:
        for account in "xy":
            out = [r for r in self.rows.values() if r.in_flight and r.in_flight.account == account]
            assert len(out) <= 2

    def teardown(self) -> None:
        """With accounts that work and messages that land, everybody who waits gets a turn."""
        self.able = {"x": Availability.READY, "y": Availability.READY}
        for _ in range(100):
            self.turns()
            while self.wakes:
                self.a_wake_arrives()
            for phone in "abcdefgh":
                self.lands(phone)
        assert not any(row.waits for row in self.rows.values())


TestAPartition = APartition.TestCase
TestAPartition.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
