"""What always holds for a phone with two accounts, whatever they hold back, refuse or may not do."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from streams.domain.accounts.routing import Capacity
from streams.domain.errors import Error
from streams.domain.phone.effects import Dispatch, Effect, PublishForgetReport
from streams.domain.phone.events import Deferred
from tests.domain.phone.phone_rules import errors
from tests.domain.phone.test_step_properties import PhoneMachine

ACCOUNTS = ("main", "other")
REFUSED = Error("new_chats_restricted")
capacities = st.builds(Capacity, st.booleans(), st.integers(0, 2), st.booleans())


class TwoAccountsMachine(PhoneMachine):
    """The machine of one account, and another account beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.closed_until_s: dict[
            str, float
        ] = {}  # account → the end of its closure, if no record lifts it

    @rule(records=st.dictionaries(st.sampled_from(ACCOUNTS), capacities))
    def accounts_change(self, records: dict[str, Capacity]) -> None:
        """An account may also be removed."""
        self.world.accounts = records

    @rule(ready=st.booleans(), free=st.integers(0, 2), new_chats=st.booleans())
    def account_changes(self, ready: bool, free: int, new_chats: bool) -> None:
        """One of the two is ready."""
        main, other = Capacity(ready, free, new_chats), Capacity(not ready, 2, not new_chats)
        self.world.accounts = {"main": main, "other": other}

    @precondition(lambda self: any(m.pinned_to for m in self.world.messages.values()))
    @rule()
    def the_account_of_a_doubt_is_lost(self) -> None:
        """It is time to look for the message, and only the other account is ready."""
        pinned = {m.pinned_to for m in self.world.messages.values()}
        self.world.accounts = {n: Capacity(n not in pinned, 2) for n in ACCOUNTS}
        self.world.now_s += 300
        self.world.fire_timer()

    @precondition(lambda self: self.world.row and self.world.row.in_flight)
    @rule(until_in_s=st.floats(-10, 300), arrives=st.booleans(), is_held_back=st.booleans())
    def is_in_doubt(self, until_in_s: float, *, arrives: bool, is_held_back: bool) -> None:
        """With a time: the page has it, or it is held back."""
        if arrives:
            self.arrive_in_flight()
        self._conclude(
            Deferred(
                error=Error("attempt_in_doubt"),
                until_s=self.world.now_s + until_in_s,
                in_doubt=True,
                is_held_back=is_held_back,
            )
        )

    # A sender says that nothing was sent only if that is true.

    def _can_deny(self) -> bool:
        row = self.world.row
        if row is None or row.in_flight is None:
            return False
        return self.world.messages[row.in_flight.id].offset not in self.arrived

    @precondition(_can_deny)
    @rule(error=errors)
    def fails(self, error: Error) -> None:
        super().fails(error)

    @precondition(_can_deny)
    @rule(error=errors, in_doubt=st.booleans(), arrives=st.booleans(), late_s=st.floats(0, 5))
    def deferred(self, error: Error, *, in_doubt: bool, arrives: bool, late_s: float) -> None:
        super().deferred(error, in_doubt=in_doubt, arrives=arrives, late_s=late_s)

    @precondition(_can_deny)
    @rule(in_doubt=st.booleans())
    def is_refused(self, *, in_doubt: bool) -> None:
        """The server refuses the message as invalid."""
        if in_doubt:
            self.arrive_in_flight()
        error = Error("attempt_in_doubt" if in_doubt else "account_rate_limited")
        self._conclude(Deferred(error=error, in_doubt=in_doubt, is_refused=True))

    @precondition(_can_deny)
    @rule(until_in_s=st.floats(-10, 300))
    def is_closed(self, until_in_s: float) -> None:
        """The account may open no new chat."""
        self._conclude(Deferred(error=REFUSED, until_s=self.world.now_s + until_in_s))

    def _conclude(self, result: Deferred) -> None:
        assert self.world.row
        assert self.world.row.in_flight
        in_flight = self.world.row.in_flight
        message = self.world.messages[in_flight.id]
        if result.error == REFUSED and message.early_receipt is None:
            self.closed_until_s[in_flight.account] = result.until_s
        self.world.conclude(result)

    def _follow(self, effect: Effect) -> None:
        super()._follow(effect)
        if (
            isinstance(effect, PublishForgetReport)
            and effect.report
            and effect.report.state == "done"
        ):
            self.closed_until_s.clear()  # a recipient that is forgotten has no closures any more
        if not isinstance(effect, Dispatch):
            return
        account = effect.account
        assert self.world.accounts[account].is_ready
        pinned_to = self.world.messages[effect.id].pinned_to
        if pinned_to is not None:
            assert account == pinned_to, "a message in doubt moved to another account"
            return
        is_locked = not self.world.accounts[account].is_new_chat_allowed
        assert not is_locked or self.closed_until_s.get(account, 0.0) <= self.world.now_s

    @invariant()
    def only_accounts_that_are_needed_are_remembered(self) -> None:
        """Closures do not grow."""
        row = self.world.row
        assert row is None or set(row.closures) <= set(ACCOUNTS)


TestTwoAccounts = TwoAccountsMachine.TestCase
TestTwoAccounts.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
