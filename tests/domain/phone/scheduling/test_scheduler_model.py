"""The scheduler, which looks only at what has changed, decides as one that looks at everything."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streams.domain.accounts.availability.availabilities import Availabilities
from streams.domain.accounts.routing import Availability, BlockedReason
from streams.domain.phone.scheduling.scheduler import Scheduler
from streams.domain.phone.state import InFlight, Phone, Wait
from tests.domain.phone.scheduling.naive_scheduler import NaiveScheduler

PHONES, ACCOUNTS = "stuvw", "abc"
names = st.sampled_from(ACCOUNTS)
reasons: st.SearchStrategy[BlockedReason] = st.sampled_from(["account_busy", "no_account"])
name_sets = st.frozensets(names, max_size=2)


@st.composite
def waits(draw: st.DrawFn) -> tuple[Wait, ...]:
    """What the heads of a phone's queues wait for, each of another priority."""
    ranks = draw(st.lists(st.integers(0, 2), unique=True, max_size=2))
    return tuple(
        Wait(
            reason=draw(reasons),
            account=draw(st.none() | names),
            priority_rank=rank,
            closed_accounts=tuple(sorted(draw(name_sets))),
            without_new_chats=tuple(sorted(draw(name_sets))),
            is_in_doubt=draw(st.booleans()),
        )
        for rank in ranks
    )


class BothSchedulers(RuleBasedStateMachine):
    """Rows that change in any way, accounts that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler, self.naive = Scheduler(2), NaiveScheduler(2)
        self.accounts = Availabilities()
        self.version = 0

    def update(self, phone: str, row: Phone) -> None:
        self.scheduler.update(phone, row)
        self.naive.update(phone, row)

    @rule(phone=st.sampled_from(PHONES), waits=waits())
    def waits_for(self, phone: str, waits: tuple[Wait, ...]) -> None:
        self.version += 1
        self.update(phone, Phone(phone=phone, timer_version=self.version, waits=waits))

    @rule(phone=st.sampled_from(PHONES), account=names)
    def is_dispatched(self, phone: str, account: str) -> None:
        in_flight = InFlight(id="m", account=account, dispatch_number=1)
        self.update(phone, Phone(phone=phone, in_flight=in_flight))

    @rule(phone=st.sampled_from(PHONES))
    def is_unchanged(self, phone: str) -> None:
        self.update(phone, self.naive.rows.get(phone, Phone(phone=phone)))

    @rule(name=names, availability=st.none() | st.sampled_from(Availability))
    def an_account_changes(self, name: str, availability: Availability | None) -> None:
        self.accounts.set(name, availability)

    @rule(name=names, is_allowed=st.booleans())
    def new_chats_change(self, name: str, is_allowed: bool) -> None:
        self.accounts.set_new_chats(name, is_allowed=is_allowed)

    @rule(accounts=st.dictionaries(names, st.sampled_from(Availability)), without=name_sets)
    def the_accounts_are_read_again(
        self, accounts: dict[str, Availability], without: frozenset[str]
    ) -> None:
        self.accounts = Availabilities(accounts, without)

    @rule()
    def phones_are_woken(self) -> None:
        woken = self.scheduler.wake_phones(self.accounts)
        expected = self.naive.wake(self.accounts, self.accounts.without_new_chats)
        assert [timer.phone for timer in woken] == expected

    @invariant()
    def the_same_slots_are_offered(self) -> None:
        without = self.accounts.without_new_chats
        for phone in PHONES:
            capacities = self.scheduler.get_capacities(phone, self.accounts)
            offered = {name: capacity.free_slots for name, capacity in capacities.items()}
            assert offered == self.naive.count_offered(phone, self.accounts, without)


TestBothSchedulers = BothSchedulers.TestCase
TestBothSchedulers.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
