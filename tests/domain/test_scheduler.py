"""Whose turn it is, and when a phone is looked at again."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.domain.accounts.routing import Able, Standing, choose
from streams.domain.accounts.scheduler import Agenda
from streams.domain.phone.events import Due, Woken
from streams.domain.phone.state import Flight, Phone, Wait

READY = {"main": Able.READY}


def waiting(phone: str, *, rank: int = 1, rev: int = 1, reason: str = "turn") -> Phone:
    return Phone(phone=phone, rev=rev, waits=(Wait(reason=reason, account="main", rank=rank),))


def flying(phone: str, account: str = "main") -> Phone:
    flight = Flight(id="m", account=account, release=1, released_at_s=0, deadline_s=30)
    return Phone(phone=phone, flight=flight)


def test_a_flight_takes_a_place_until_it_ends() -> None:
    """`free` counts the releases that are out, and no more."""
    agenda = Agenda(window=2)
    agenda.see("a", flying("a"))
    assert agenda.standings("b", READY) == {"main": Standing(True, 1)}
    agenda.see("a", None)
    assert agenda.standings("b", READY) == {"main": Standing(True, 2)}


def test_turns_go_by_rank_and_then_by_arrival() -> None:
    """Urgent first; as many as there are places."""
    agenda = Agenda(window=2)
    for phone, rank in (("a", 1), ("b", 2), ("c", 0), ("d", 1)):
        agenda.see(phone, waiting(phone, rank=rank))
    assert [woken.phone for woken in agenda.turns(READY)] == ["c", "a"]
    assert agenda.turns(READY) == []
    agenda.see("c", None)
    assert [woken.phone for woken in agenda.turns(READY)] == ["d"]


def test_nobody_jumps_the_queue() -> None:
    """While a place could go to who waits, a phone that just arrived sees none; who is woken does."""
    agenda = Agenda(window=1)
    agenda.see("a", waiting("a"))
    assert agenda.standings("new", READY) == {"main": Standing(True, 0)}
    agenda.turns(READY)
    assert agenda.standings("a", READY) == {"main": Standing(True, 1)}
    assert agenda.standings("new", READY) == {"main": Standing(True, 0)}


def test_a_phone_that_must_wait_on_keeps_its_place() -> None:
    """Woken in vain, it stands before those that came later."""
    agenda = Agenda(window=1)
    agenda.see("a", waiting("a"))
    agenda.turns(READY)
    agenda.see("b", waiting("b"))
    agenda.see("a", waiting("a", rev=2))
    assert agenda.turns(READY) == [Woken(phone="a", rev=2)]


def test_who_waits_for_an_account_is_woken_when_there_is_one() -> None:
    """Not before, and only as many as have a place."""
    agenda = Agenda(window=1)
    for phone in ("a", "b"):
        agenda.see(phone, waiting(phone, reason="no_account"))
    assert agenda.turns({"main": Able.DOWN}) == []
    assert agenda.turns({}) == []
    assert [woken.phone for woken in agenda.turns(READY)] == ["a"]


def test_a_turn_of_an_account_that_died_is_given_up() -> None:
    """Another account may take the message, or it waits for one: the step decides."""
    agenda = Agenda(window=1)
    agenda.see("a", waiting("a"))
    assert [woken.phone for woken in agenda.turns({"main": Able.DOWN})] == ["a"]


def test_an_account_that_is_busy_is_waited_for() -> None:
    """It is ready, but has no place for anybody until its pace lets it."""
    agenda = Agenda(window=1)
    busy = {"main": Able.BUSY}
    assert agenda.standings("a", busy) == {"main": Standing(True, 0)}
    agenda.see("a", waiting("a"))
    assert agenda.turns(busy) == []
    assert [woken.phone for woken in agenda.turns(READY)] == ["a"]


def test_times_come_once_and_only_the_last_said() -> None:
    """A row that changed its mind is not woken for the old time."""
    agenda = Agenda(window=1)
    agenda.see("a", Phone(phone="a", rev=1, due_s=10.0))
    agenda.see("a", Phone(phone="a", rev=2, due_s=20.0))
    agenda.schedule("b", "m", 15.0)
    assert agenda.next_s() == 10.0
    assert agenda.due(12.0) == []
    assert agenda.due(20.0) == [Woken(phone="a", rev=2), Due(phone="b", id="m")]
    assert (agenda.due(99.0), agenda.next_s()) == ([], float("inf"))


class APartition(RuleBasedStateMachine):
    """Phones that want to send, accounts that come and go, wakes that take their time."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda(window=2)
        self.able = {"x": Able.READY, "y": Able.DOWN}
        self.rows: dict[str, Phone] = {}
        self.wakes: list[Woken] = []

    def step(self, phone: str) -> None:
        """What `step` does with a phone that has a message and nothing in flight."""
        row = self.rows.get(phone, Phone(phone=phone))
        if row.flight is None:
            choice = choose(None, row.account, self.agenda.standings(phone, self.able))
            if choice.account is not None:
                row = flying(phone, choice.account)
            else:
                wait = Wait(reason=choice.blocked, account=choice.waits_for, rank=1)
                row = Phone(phone=phone, rev=row.rev + 1, waits=(wait,), account=row.account)
        self.rows[phone] = row
        self.agenda.see(phone, row)

    @rule(phone=st.sampled_from("abcdefgh"))
    def wants(self, phone: str) -> None:
        self.step(phone)

    @rule(phone=st.sampled_from("abcdefgh"))
    def lands(self, phone: str) -> None:
        row = self.rows.get(phone)
        if row and row.flight:
            self.rows[phone] = Phone(phone=phone, account=row.flight.account)
            self.agenda.see(phone, self.rows[phone])

    @rule(x=st.sampled_from(Able), y=st.sampled_from(Able))
    def accounts_change(self, x: Able, y: Able) -> None:
        self.able = {"x": x, "y": y}

    @rule()
    def turns(self) -> None:
        self.wakes += self.agenda.turns(self.able)

    @rule()
    def a_wake_arrives(self) -> None:
        if self.wakes:
            woken = self.wakes.pop(0)
            if self.rows[woken.phone].rev == woken.rev:
                self.step(woken.phone)
            else:
                self.agenda.see(woken.phone, self.rows[woken.phone])

    @invariant()
    def never_more_than_the_window(self) -> None:
        for account in "xy":
            out = [r for r in self.rows.values() if r.flight and r.flight.account == account]
            assert len(out) <= 2

    def teardown(self) -> None:
        """With accounts that work and messages that land, everybody who waits gets a turn."""
        self.able = {"x": Able.READY, "y": Able.READY}
        for _ in range(100):
            self.turns()
            while self.wakes:
                self.a_wake_arrives()
            for phone in "abcdefgh":
                self.lands(phone)
        assert not any(row.waits for row in self.rows.values())


TestAPartition = APartition.TestCase
TestAPartition.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
