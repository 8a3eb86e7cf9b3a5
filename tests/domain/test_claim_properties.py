"""What must hold for one message whatever happens to its sender: the program's fear number one."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from streams.domain.errors import CODES, Error
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import (
    Claim,
    Conclude,
    InStore,
    LookupUnavailable,
    NotInStore,
    OpenClaim,
    Reconcile,
    StoreLookup,
    SubmitAgain,
    WaitForAck,
)
from streams.domain.sending.command import SendCommand

PHONE = "+60123456789"


class Crash(Exception):
    """The sender dies here; what is durable stays."""


class AMessage(RuleBasedStateMachine):
    """One message under a dispatcher, a person, a page and crashes that do as they like.

    `stores` is each link's store, truthful as WhatsApp's is: what was handed over is in it. `arrived`
    counts the messages that reached the server.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.link = 1
        self.row: Claim | None = None
        self.stores: dict[int, int] = {}
        self.arrived = 0
        self.permitted = (
            1  # messages that may arrive: one, and one more for each time a person said so
        )
        self.looked_since_submit = True
        self.sends: list[SendCommand] = []
        self.steps_to_live = 0
        self.answers: dict[int, Result] = {}
        self.waiting: Result | None = Deferred(error=Error("disconnected"))

    # -- the dispatcher and a person

    @precondition(lambda self: isinstance(self.waiting, Deferred | Failed))
    @rule(data=st.data(), hold_s=st.floats(1, 20))
    def release(self, data: st.DataObject, hold_s: float) -> None:
        again = bool(self.sends) and self.sends[-1].allow_duplicate
        self._release(data, hold_s, again=again)

    @precondition(lambda self: isinstance(self.waiting, OutcomeUnknown))
    @rule(data=st.data())
    def say_again(self, data: st.DataObject) -> None:
        self.permitted += 1
        self._release(data, 20.0, again=True)

    @precondition(lambda self: self.sends)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """A record of the lane that was not acknowledged comes again."""
        self._handle(data.draw(st.sampled_from(self.sends)), data)

    def _release(self, data: st.DataObject, hold_s: float, *, again: bool) -> None:
        send = SendCommand(
            phone=PHONE,
            id="m1",
            dispatch_number=len(self.sends) + 1,
            account="main",
            deadline_s=self.now_s + hold_s,
            content=b"{}",
            allow_duplicate=again,
        )
        self.sends.append(send)
        self.waiting = None
        self._handle(send, data)

    # -- the world

    @rule(by_s=st.sampled_from([1.0, 30.0]))
    def time_passes(self, by_s: float) -> None:
        self.now_s += by_s

    @rule()
    def linked_anew(self) -> None:
        self.link += 1

    @precondition(lambda self: self.stores.get(self.link) == 0)
    @rule()
    def outbox_is_emptied(self) -> None:
        self.stores[self.link] = 1
        self._arrive()

    def _arrive(self) -> None:
        self.arrived += 1
        assert self.arrived <= self.permitted, "the phone got it twice"

    # -- the sender

    def _handle(self, send: SendCommand, data: st.DataObject) -> None:
        self.steps_to_live = data.draw(st.sampled_from([99, 99, 0, 1, 2, 3, 4]), label="crash")
        try:
            result = self._settle(send, data)
        except Crash:
            return
        before = self.answers.setdefault(send.dispatch_number, result)
        is_settled = not (isinstance(before, Deferred) and before.in_doubt)
        if is_settled and send.dispatch_number == len(self.sends):
            assert result == before, "a replayed release was answered in another way"
        if send.dispatch_number == len(self.sends):
            self.waiting = result

    def _settle(self, send: SendCommand, data: st.DataObject) -> Result:
        step: OpenClaim | Reconcile | SubmitAgain | WaitForAck | Conclude = claims.decide(
            send, self.row, self.now_s
        )
        submits = 0
        while not isinstance(step, Conclude):
            self._may_crash()
            match step:
                case Reconcile():
                    seen = self._see(data)
                    assert self.row is not None
                    step = claims.after_lookup(
                        send,
                        self.row,
                        seen,
                        link=str(self.link),
                        submit_count=submits,
                        now_s=self.now_s,
                    )
                case WaitForAck():
                    step = claims.after_wait(self._see(data), self.now_s)
                case OpenClaim() | SubmitAgain():
                    assert self.now_s < send.deadline_s, "submitted too late"
                    self.row = claims.new_claim(
                        send, self.row, chat_id="c", link=str(self.link), now_s=self.now_s
                    )
                    self._may_crash()
                    submits += 1
                    step = self._submit(data)
        self.row = claims.concluded_claim(send, self.row, step.result, self.now_s) or self.row
        self._may_crash()
        return step.result

    def _submit(self, data: st.DataObject) -> Conclude | Reconcile:
        assert self.looked_since_submit, "submitted twice without a look between"
        assert self.stores.get(self.link, -1) < 0, "given to WhatsApp although it has it"
        self.looked_since_submit = False
        match data.draw(st.sampled_from(["acked", "no", "refused", "lost", "pending", "died"])):
            case "acked":
                self.stores[self.link] = 1
                self._arrive()
                return Conclude(Sent(at_s=self.now_s))
            case "no":
                code = data.draw(st.sampled_from(["timeout_before_submit", "disconnected"]))
                self.looked_since_submit = True
                return Conclude(claims.not_sent_result(Error(code)))
            case "refused":
                self.stores[self.link] = -1
                self.looked_since_submit = True
                return Conclude(claims.not_sent_result(Error("server_error")))
            case "lost":  # it arrived, and nobody was told
                self.stores[self.link] = 1
                self._arrive()
            case "pending":
                self.stores[self.link] = 0
            case _:
                pass
        return Reconcile()

    def _see(self, data: st.DataObject) -> StoreLookup:
        if data.draw(st.sampled_from([False, False, False, True]), label="look fails"):
            return LookupUnavailable("the page is gone")
        self.looked_since_submit = True
        ack = self.stores.get(self.link)
        return NotInStore() if ack is None else InStore(ack)

    def _may_crash(self) -> None:
        if self.steps_to_live == 0:
            raise Crash
        self.steps_to_live -= 1


AMessage.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_a_message = AMessage.TestCase


results = st.one_of(
    st.builds(Sent, at_s=st.floats(0, 100)),
    st.builds(Failed, error=st.sampled_from(sorted(CODES)).map(Error)),
    st.builds(Deferred, error=st.just(Error("disconnected"))),
    st.builds(OutcomeUnknown, at_s=st.floats(0, 100), error=st.just(Error("outcome_unknown"))),
)
rows = st.builds(
    Claim,
    phone=st.just(PHONE),
    id=st.just("m1"),
    dispatch_number=st.integers(1, 4),
    chat_id=st.just("c"),
    link=st.sampled_from(["1", "2"]),
    claimed_at_s=st.just(1.0),
    allow_duplicate=st.booleans(),
    result=st.none() | results,
)
sends = st.builds(
    SendCommand,
    phone=st.just(PHONE),
    id=st.just("m1"),
    dispatch_number=st.integers(1, 4),
    account=st.just("main"),
    deadline_s=st.floats(0, 100),
    content=st.just(b"{}"),
    allow_duplicate=st.booleans(),
)
seen = st.one_of(
    st.builds(InStore, ack=st.integers(-1, 4)),
    st.just(NotInStore()),
    st.just(LookupUnavailable("gone")),
)
times = st.floats(0, 100)


@given(sends, st.none() | rows, times)
def test_a_settled_message_is_not_opened_again(
    send: SendCommand, row: Claim | None, now_s: float
) -> None:
    """What was sent stays sent, and what was lost is looked for at most, and only when a person says so."""
    step = claims.decide(send, row, now_s)
    if row is not None and isinstance(row.result, Sent):
        assert step == Conclude(row.result)
    if row is not None and isinstance(row.result, OutcomeUnknown):
        wanted = (
            Reconcile()
            if send.allow_duplicate and send.dispatch_number > row.dispatch_number
            else Conclude(row.result)
        )
        assert step == wanted
    if isinstance(step, OpenClaim):
        assert now_s < send.deadline_s


@given(sends, st.none() | rows, times)
def test_an_earlier_or_repeated_release_moves_nothing(
    send: SendCommand, row: Claim | None, now_s: float
) -> None:
    """A release that was answered is answered, with the same words if it was the last one."""
    if row is None or row.result is None or send.dispatch_number > row.dispatch_number:
        return
    step = claims.decide(send, row, now_s)
    assert isinstance(step, Conclude)
    assert claims.concluded_claim(send, row, step.result, now_s) is None
    if send.dispatch_number == row.dispatch_number:
        assert step.result == row.result


@given(sends, rows, seen, st.sampled_from(["1", "2"]), st.integers(0, 3), times)
def test_what_a_look_may_lead_to(
    send: SendCommand, row: Claim, what: StoreLookup, link: str, submits: int, now_s: float
) -> None:
    """Only an id that is not waiting or known to the server is submitted, in time and a bounded number of times."""
    step = claims.after_lookup(send, row, what, link=link, submit_count=submits, now_s=now_s)
    if isinstance(step, SubmitAgain):
        assert now_s < send.deadline_s
        assert submits < claims.MAX_SUBMITS
        assert isinstance(what, NotInStore) or (isinstance(what, InStore) and what.ack < 0)
        assert isinstance(what, InStore) or link == row.link or send.allow_duplicate
    if isinstance(step, Conclude) and isinstance(step.result, Sent):
        assert isinstance(what, InStore)
        assert what.ack >= 1


@given(sends, st.none() | rows, results, times)
def test_a_row_survives_its_storage(
    send: SendCommand, row: Claim | None, result: Result, now_s: float
) -> None:
    """What is read back is what was written."""
    written = claims.concluded_claim(send, row, result, now_s)
    if written is not None:
        assert claims.decode(claims.encode(written)) == written


@given(rows, st.lists(st.sampled_from(["delivered", "read", "played"])))
def test_an_ack_never_goes_back(row: Claim, acks: list[claims.ReceiptKind]) -> None:
    """Receipts come more than once and in any order."""
    for ack in acks:
        after = claims.with_receipt(row, ack) or row
        assert claims.RECEIPT_KINDS.index(after.receipt) == max(
            claims.RECEIPT_KINDS.index(a) for a in (row.receipt, ack)
        )
        row = after


def test_a_person_permits_one_more_message_and_no_third() -> None:
    """What was submitted because of `again` and is lost by a new linking needs another word of that person."""
    lost = Claim(
        phone=PHONE, id="m1", dispatch_number=1, link="1", result=claims.unknown_result("gone", 1.0)
    )
    send = SendCommand(
        phone=PHONE,
        id="m1",
        dispatch_number=2,
        account="main",
        deadline_s=9.0,
        content=b"",
        allow_duplicate=True,
    )
    assert claims.decide(send, lost, 2.0) == Reconcile()
    first = claims.after_lookup(send, lost, NotInStore(), link="2", submit_count=0, now_s=2.0)
    assert first == SubmitAgain()
    claim = claims.new_claim(send, lost, chat_id="c", link="2", now_s=2.0)
    later = msgspec.structs.replace(send, dispatch_number=3)
    assert claims.decide(later, claim, 3.0) == Reconcile()
    second = claims.after_lookup(later, claim, NotInStore(), link="3", submit_count=0, now_s=3.0)
    assert isinstance(second, Conclude)
    assert isinstance(second.result, OutcomeUnknown)
