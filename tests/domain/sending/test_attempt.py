"""How an attempt begins, fails, is withdrawn and comes to an end. No I/O, no clock."""

import msgspec
import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Moved, Result, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending import reconciliation, results
from streams.domain.sending.actions import (
    Action,
    Allowed,
    ClaimStored,
    ConfirmOwnership,
    Denied,
    Finish,
    LookUpMessage,
    LookUpNumber,
    MessageLookedUp,
    NotSubmitted,
    NumberFound,
    Observation,
    OwnershipConfirmed,
    Reconnect,
    RestrictAccount,
    StoreClaim,
    Submit,
    SubmitUncertain,
    WaitUntilAllowed,
)
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.claim import Claim, Conclude
from streams.domain.sending.command import SendCommand
from streams.domain.sending.reconciliation import InStore, NotInStore
from streams.domain.sending.resolved import Resolved
from tests.domain.sending.attempts import (
    ATTEMPTS,
    CHAT,
    CLAIM,
    COMMAND,
    DISCONNECTED,
    LATE_S,
    NOW_S,
    SUBMIT,
    WITHOUT_CHAT,
    after,
    begin,
    failed,
    in_doubt,
    looked_up,
    reconciled,
    submitted,
)

# The dispatcher knows that an earlier attempt may have sent it.
IN_DOUBT = msgspec.structs.replace(COMMAND, was_claimed=True)
NOT_SENT_CLAIM = msgspec.structs.replace(
    CLAIM, dispatch_number=1, result=Deferred(error=DISCONNECTED)
)


@pytest.mark.parametrize(
    ("command", "claim", "expected"),
    [
        (WITHOUT_CHAT, None, LookUpNumber("+60123456789")),
        (COMMAND, None, WaitUntilAllowed()),
        (IN_DOUBT, None, in_doubt(claims.MISSING_CLAIM_DETAIL)),
        (msgspec.structs.replace(IN_DOUBT, allow_duplicate=True), None, in_doubt(claims.MISSING_CLAIM_DETAIL)),
        (IN_DOUBT, CLAIM, LookUpMessage(CHAT)),
        (IN_DOUBT, NOT_SENT_CLAIM, WaitUntilAllowed()),
        (COMMAND, CLAIM, LookUpMessage(CHAT)),
        (WITHOUT_CHAT, CLAIM, LookUpMessage(CHAT)),
        (COMMAND, msgspec.structs.replace(CLAIM, result=Sent(at_s=1.0)), Finish(Sent(at_s=1.0))),
        (COMMAND, msgspec.structs.replace(CLAIM, chat_id=None), in_doubt("the claim does not name its chat")),
        (msgspec.structs.replace(COMMAND, content=b"["), None, failed("internal_error", "the content cannot be read")),
        (msgspec.structs.replace(COMMAND, content=b"[]"), None, failed("internal_error", "the content cannot be read")),
        (
            msgspec.structs.replace(COMMAND, timeout_s=NOW_S),
            None,
            Finish(Deferred(error=Error("deadline_exceeded"))),
        ),
    ],
)  # fmt: skip
def test_the_first_action(command: SendCommand, claim: Claim | None, expected: Action) -> None:
    """The row, the deadline, the chat and the content decide it."""
    assert begin(command, claim).action == expected


UNCLAIMED, CLAIMED = OwnershipConfirmed("link-1", None), OwnershipConfirmed("link-1", CLAIM)
TOO_LATE = Finish(Deferred(error=Error("deadline_exceeded")))


@pytest.mark.parametrize(
    ("attempt", "observation", "expected"),
    [
        (after(Allowed(), UNCLAIMED, ClaimStored(LATE_S)), CLAIMED, TOO_LATE),
        (after(Allowed(), UNCLAIMED, ClaimStored(-3600.0)), CLAIMED, TOO_LATE),
        (after(Allowed(), UNCLAIMED, ClaimStored(NOW_S, Resolved(1))), CLAIMED, TOO_LATE),
        (
            submitted(),
            NotSubmitted("timeout_before_submit", "slow", is_too_late=True),
            Finish(Deferred(error=Error("deadline_exceeded", "slow"))),
        ),
        (
            begin(claim=CLAIM),
            looked_up(NotInStore()),
            in_doubt("too late to be submitted again"),
        ),
    ],
    ids=[
        "claimed",
        "claimed before its command",
        "claimed behind a barrier",
        "submitted",
        "reconciled",
    ],
)
def test_nothing_is_submitted_after_the_deadline(
    attempt: Attempt, observation: Observation, expected: Action
) -> None:
    """This holds for every action at which the deadline can pass."""
    assert attempt.observe(observation, LATE_S) == expected


@pytest.mark.parametrize(
    ("observations", "expected"),
    [
        ([Denied(DISCONNECTED, 70.0)], results.held_back_result(DISCONNECTED, 70.0)),
        (
            [Allowed(), OwnershipConfirmed("link-1", CLAIM), NotSubmitted("page_crashed", "x")],
            results.in_doubt_result("page_crashed: x", NOW_S + 1),
        ),
        (
            [Allowed(), OwnershipConfirmed("link-1", CLAIM), NotSubmitted("content_refused", "x")],
            Failed(error=Error("content_refused", "x")),
        ),
        (
            [
                Allowed(),
                OwnershipConfirmed("link-1", CLAIM),
                SubmitUncertain(),
                looked_up(NotInStore()),
            ],
            results.in_doubt_result(
                "it was submitted twice, and the server has neither", NOW_S + 1
            ),
        ),
    ],
    ids=["denied", "transient", "permanent", "third"],
)
def test_a_second_submit_that_does_not_happen(
    observations: list[Observation], expected: Result
) -> None:
    """The first one stays in doubt, unless trying again cannot help; there is no third submit."""
    assert after(*observations, attempt=reconciled()).result == expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (LookUpNumber, Failed(error=Error("internal_error", "KeyError"))),
        (WaitUntilAllowed, Failed(error=Error("internal_error", "KeyError"))),
        (ConfirmOwnership, Failed(error=Error("internal_error", "KeyError"))),
        (StoreClaim, Failed(error=Error("internal_error", "KeyError"))),
        (Submit, results.in_doubt_result("KeyError")),
        (RestrictAccount, results.in_doubt_result("KeyError")),
        (LookUpMessage, results.in_doubt_result("KeyError")),
        (Reconnect, results.in_doubt_result("KeyError")),
        (Finish, Deferred(error=DISCONNECTED)),
    ],
)
def test_a_failure_of_the_shell(action: type, expected: Result) -> None:
    """The claim stays open once the message may have left; a result that exists stays."""
    attempt = ATTEMPTS[action]()
    attempt.fail("KeyError")
    assert attempt.result == expected


@pytest.mark.parametrize("action", ATTEMPTS, ids=lambda action: action.__name__)
def test_when_a_claim_can_be_withdrawn(action: type) -> None:
    """It can be withdrawn between claim and submit, if nothing of the message can have left before."""
    expected = action in {StoreClaim}
    assert ATTEMPTS[action]().is_withdrawable == expected


@pytest.mark.parametrize("was_claimed", [False, True])
def test_a_withdrawn_claim_leaves_a_row(*, was_claimed: bool) -> None:
    """The message is new to the next process, also if the dispatcher has read the claim before it was withdrawn."""
    row = claims.withdrawn_claim(COMMAND, None, NOW_S)
    again = msgspec.structs.replace(COMMAND, was_claimed=was_claimed)
    assert isinstance(begin(again, row).action, WaitUntilAllowed)
    assert claims.withdrawn_claim(COMMAND, CLAIM, NOW_S) == CLAIM


def test_a_claim_ahead() -> None:
    """It is the claim of the submit, is not stored twice, and can be withdrawn."""
    attempt = begin()
    assert attempt.claim_ahead(None, None, NOW_S) is None
    assert not attempt.is_withdrawable
    assert attempt.claim_ahead("link-1", None, NOW_S) == CLAIM
    assert attempt.is_withdrawable
    attempt.claimed_ahead(ClaimStored(NOW_S))
    assert attempt.claim_ahead("link-1", CLAIM, NOW_S) is None
    assert after(Allowed(), OwnershipConfirmed("link-1", CLAIM), attempt=attempt).action == SUBMIT
    assert not attempt.is_withdrawable


@pytest.mark.parametrize(
    "action", [a for a in ATTEMPTS if a is not WaitUntilAllowed], ids=lambda a: a.__name__
)
def test_nothing_else_is_claimed_ahead(action: type) -> None:
    """Only an attempt that waits for its first submit may store a claim ahead."""
    assert ATTEMPTS[action]().claim_ahead("link-1", None, NOW_S) is None
    assert reconciled().claim_ahead("link-1", CLAIM, NOW_S) is None


def test_what_whatsapp_answered_is_remembered() -> None:
    """The chat id of a look-up goes into the outcome; one that the command contained does not."""
    attempt = begin(WITHOUT_CHAT)
    assert attempt.looked_up_chat_id is None
    assert after(NumberFound("other@lid"), attempt=attempt).looked_up_chat_id == "other@lid"
    assert attempt.chat_id == "other@lid"
    assert begin().looked_up_chat_id is None


def test_a_submit_without_an_answer_is_repeated_less_and_less_often() -> None:
    """A page in which it always fails is given it a few dozen times in an hour, not hundreds."""
    now_s, submits = NOW_S, 0
    while now_s < NOW_S + 3600:
        decision = reconciliation.after_lookup(
            msgspec.structs.replace(COMMAND, timeout_s=now_s + 30),
            CLAIM,
            InStore(-1),
            link="link-1",
            submit_count=reconciliation.MAX_SUBMITS,
            now_s=now_s,
        )
        assert isinstance(decision, Conclude)
        assert isinstance(decision.result, Deferred)
        submits += reconciliation.MAX_SUBMITS
        now_s = decision.result.until_s
    assert submits < 50


def test_a_new_link_after_the_lookup() -> None:
    """The lookup was made under another link: under this one, a second submit might be shown twice."""
    attempt = after(Allowed(), OwnershipConfirmed("link-2", CLAIM), attempt=reconciled())
    assert attempt.result == results.in_doubt_result("linked again since the lookup")


def test_a_session_that_ends_during_the_lookup() -> None:
    """It has no link then, which is not another link: nothing is given up."""
    attempt = after(MessageLookedUp(NotInStore(), None, CLAIM), attempt=begin(claim=CLAIM))
    assert attempt.result == results.in_doubt_result("the session ended during the look-up")
    assert not attempt.may_have_arrived


@pytest.mark.parametrize("phone", [None, WITHOUT_CHAT.phone, "+0", "", "hello"])
def test_a_number_that_whatsapp_does_not_change_stands(phone: str | None) -> None:
    """Also if WhatsApp says nothing, or nothing that can be read."""
    found = NumberFound("other@lid", phone)
    assert isinstance(after(found, attempt=begin(WITHOUT_CHAT)).action, WaitUntilAllowed)


def test_a_chat_of_another_number_is_another_recipient() -> None:
    """Nothing is claimed or submitted. WhatsApp's own form of a Mexican number is the number itself."""
    for whatsapp_phone, phone in {
        "+554188887777": "+554188887777",
        "+5215512345678": "+525512345678",
    }.items():
        attempt = after(NumberFound("other@lid", whatsapp_phone), attempt=begin(WITHOUT_CHAT))
        assert attempt.result == Moved(phone=phone)
        assert attempt.submit_count == 0
    mexican = msgspec.structs.replace(WITHOUT_CHAT, phone="+525512345678")
    attempt = after(NumberFound("other@lid", "+5215512345678"), attempt=begin(mexican))
    assert attempt.result is None
