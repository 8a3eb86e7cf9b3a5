"""The single decisions about a claim, for every row, lookup and time."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.errors import CODES, Error
from streams.domain.phone.events import (
    Deferred,
    Failed,
    OutcomeUnknown,
    ReceiptKind,
    Result,
    Sent,
)
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Claim, Conclude, OpenClaim, Reconcile
from streams.domain.sending.command import SendCommand
from streams.domain.sending.reconciliation import (
    MAX_SUBMITS,
    STALL_TIMEOUT_S,
    AskToReconnect,
    InStore,
    LookupUnavailable,
    NotInStore,
    StoreLookup,
    SubmitAgain,
    after_lookup,
)
from streams.domain.sending.results import unknown_result

PHONE = "+60123456789"


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
    receipt=st.sampled_from(["", "", *claims.ROW_RECEIPTS]),
)
commands = st.builds(
    SendCommand,
    phone=st.just(PHONE),
    id=st.just("m1"),
    dispatch_number=st.integers(1, 4),
    account=st.just("main"),
    timeout_s=st.floats(0, 100),
    content=st.just(b"{}"),
    allow_duplicate=st.booleans(),
)
lookups = st.one_of(
    st.builds(InStore, ack=st.integers(-1, 4)),
    st.just(InStore(0, is_pending=True)),
    st.just(NotInStore()),
    st.just(LookupUnavailable("gone")),
)
times = st.floats(0, 100)


@given(commands, st.none() | rows, times)
def test_a_concluded_message_is_not_opened_again(
    command: SendCommand, row: Claim | None, now_s: float
) -> None:
    """Sent stays sent, and a receipt makes it so whatever the row says; an unknown outcome is at most
    reconciled, and only if a person allows a duplicate.
    """
    decision = claims.decide(command, row, now_s)
    if row is not None and isinstance(row.result, Sent):
        assert decision == Conclude(row.result)
    elif row is not None and row.receipt:
        assert decision == Conclude(Sent(at_s=now_s))
    elif row is not None and isinstance(row.result, OutcomeUnknown):
        expected = (
            Reconcile()
            if command.allow_duplicate and command.dispatch_number > row.dispatch_number
            else Conclude(row.result)
        )
        assert decision == expected
    if isinstance(decision, OpenClaim):
        assert now_s < command.deadline_s


@given(commands, st.none() | rows, times)
def test_an_earlier_or_repeated_dispatch_changes_nothing(
    command: SendCommand, row: Claim | None, now_s: float
) -> None:
    """A dispatch with a row gets a result at once; the last dispatch gets the same result again."""
    if row is None or row.result is None or command.dispatch_number > row.dispatch_number:
        return
    decision = claims.decide(command, row, now_s)
    assert isinstance(decision, Conclude)
    if row.receipt and not isinstance(row.result, Sent):
        assert decision.result == Sent(at_s=now_s)
        return
    assert claims.concluded_claim(command, row, decision.result, now_s) is None
    if command.dispatch_number == row.dispatch_number:
        assert decision.result == row.result


@given(commands, rows, lookups, st.sampled_from(["1", "2"]), st.integers(0, 3), times)
def test_when_a_lookup_permits_another_submit(
    command: SendCommand, row: Claim, lookup: StoreLookup, link: str, submits: int, now_s: float
) -> None:
    """It is permitted in time, a bounded number of times, if the id neither waits nor is with the server."""
    decision = after_lookup(command, row, lookup, link=link, submit_count=submits, now_s=now_s)
    if isinstance(decision, SubmitAgain):
        assert now_s < command.deadline_s
        assert submits < MAX_SUBMITS
        assert not row.receipt
        assert isinstance(lookup, NotInStore | InStore)
        assert isinstance(lookup, NotInStore) or (lookup.ack <= 0 and not lookup.is_pending)
        assert link == row.link or command.allow_duplicate
    if isinstance(decision, Conclude) and isinstance(decision.result, Sent):
        assert row.receipt or (isinstance(lookup, InStore) and lookup.ack >= 1)
    if isinstance(decision, Conclude) and isinstance(decision.result, OutcomeUnknown):
        assert isinstance(lookup, NotInStore) or (lookup.ack <= 0 and not lookup.is_pending)
        assert link != row.link, "only a link that is gone makes an outcome unknown"
    if isinstance(decision, AskToReconnect):
        assert lookup == InStore(0, is_pending=True)
        assert now_s >= row.claimed_at_s + STALL_TIMEOUT_S


@given(commands, st.none() | rows, results, times)
def test_a_row_survives_its_storage(
    command: SendCommand, row: Claim | None, result: Result, now_s: float
) -> None:
    """The row that is read is the row that was written."""
    written = claims.concluded_claim(command, row, result, now_s)
    if written is not None:
        assert claims.decode(claims.encode(written)) == written


@given(rows, st.lists(st.sampled_from(["sent", "delivered", "read", "played"])))
def test_a_receipt_never_goes_back(row: Claim, receipts: list[ReceiptKind]) -> None:
    """Receipts come more than once and in any order; the row keeps the furthest one."""
    for receipt in receipts:
        after = claims.with_receipt(row, receipt) or row
        ranks = [claims.ROW_RECEIPTS.index(kind) for kind in (row.receipt, receipt)]
        is_news = receipt != "sent" or not isinstance(row.result, Sent)
        assert claims.ROW_RECEIPTS.index(after.receipt) == max(ranks[: 1 + is_news])
        row = after


@given(commands, rows, times)
def test_a_pending_message_is_looked_for_less_and_less_often(
    command: SendCommand, row: Claim, now_s: float
) -> None:
    """It is never waited for here, and the time until the next lookup grows with the age of the claim."""
    row = msgspec.structs.replace(row, receipt="")
    pending = InStore(0, is_pending=True)
    decision = after_lookup(command, row, pending, link="1", submit_count=1, now_s=now_s)
    assert isinstance(decision, Conclude | AskToReconnect)
    assert isinstance(decision.result, Deferred)
    assert decision.result.in_doubt
    age_s = max(now_s - row.claimed_at_s, 0)
    assert decision.result.until_s - now_s == pytest.approx(max(age_s / 2, 1.0))


FORCED = SendCommand(
    phone=PHONE,
    id="m1",
    dispatch_number=1,
    account="main",
    timeout_s=9.0,
    content=b"",
    allow_duplicate=True,
)


def test_a_person_permits_one_more_message_and_no_third() -> None:
    """A submit under `allow_duplicate` whose link is lost needs another permission."""
    unknown = Claim(
        phone=PHONE,
        id="m1",
        dispatch_number=1,
        link="1",
        result=unknown_result("gone", 1.0),
    )
    command = msgspec.structs.replace(FORCED, dispatch_number=2)
    assert claims.decide(command, unknown, 2.0) == Reconcile()
    first = after_lookup(command, unknown, NotInStore(), link="2", submit_count=0, now_s=2.0)
    assert first == SubmitAgain()
    claim = claims.new_claim(command, unknown, chat_id="c", link="2", now_s=2.0)
    later = msgspec.structs.replace(command, dispatch_number=3)
    assert claims.decide(later, claim, 3.0) == Reconcile()
    second = after_lookup(later, claim, NotInStore(), link="3", submit_count=0, now_s=3.0)
    assert isinstance(second, Conclude)
    assert isinstance(second.result, OutcomeUnknown)


def test_a_permission_is_used_up_by_the_first_claim() -> None:
    """A message that never had a row is sent again by a person, and its ack is lost: it may have arrived, so it is
    not submitted under another link.
    """
    assert claims.decide(FORCED, None, 1.0) == OpenClaim()
    claim = claims.new_claim(FORCED, None, chat_id="c", link="1", now_s=1.0)
    later = msgspec.structs.replace(FORCED, dispatch_number=2)
    assert claims.decide(later, claim, 2.0) == Reconcile()
    decision = after_lookup(later, claim, NotInStore(), link="2", submit_count=0, now_s=2.0)
    assert isinstance(decision, Conclude)
    assert isinstance(decision.result, OutcomeUnknown)


def test_a_permission_stays_used_when_an_older_dispatch_concludes_its_attempt() -> None:
    """After a crash and another link, the dispatch that used it is delivered again and ends as unknown. The next one,
    of the same replay, does not get it once more; another replay has a permission of its own.
    """
    unknown = Claim(
        phone=PHONE, id="m1", dispatch_number=1, link="1", result=unknown_result("gone", 1.0)
    )
    command = msgspec.structs.replace(FORCED, dispatch_number=2, generation=2)
    claim = claims.new_claim(command, unknown, chat_id="c", link="1", now_s=2.0)
    concluded = claims.concluded_claim(command, claim, unknown_result("linked again", 3.0), 3.0)
    assert concluded is not None
    later = msgspec.structs.replace(command, dispatch_number=3, was_claimed=True)
    assert claims.decide(later, concluded, 4.0) == Conclude(unknown_result("linked again", 3.0))
    replayed = msgspec.structs.replace(command, dispatch_number=3, generation=3)
    assert claims.decide(replayed, concluded, 4.0) == Reconcile()
