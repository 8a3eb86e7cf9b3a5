"""An attempt that WhatsApp or the page refuses: what is certain, what stays in doubt. No I/O, no clock."""

import msgspec
import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, OutcomeUnknown
from streams.domain.sending import claim as claims
from streams.domain.sending import results
from streams.domain.sending.actions import (
    AccountRestricted,
    Allowed,
    ClaimStored,
    Denied,
    HeldBack,
    NotSubmitted,
    Observation,
    OwnershipConfirmed,
    RestrictAccount,
    StoreClaim,
    SubmitRefused,
    SubmitUncertain,
)
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.claim import Claim
from streams.domain.sending.reconciliation import InStore, LookupUnavailable, NotInStore
from streams.domain.sending.refusals import LOST_CODE
from tests.domain.sending.attempts import (
    CLAIM,
    COMMAND,
    DISCONNECTED,
    NOW_S,
    after,
    begin,
    failed,
    looked_up,
    reconciled,
    submitted,
)

# A second submit, after a lookup that has found the message, up to the moment at which the page is given it.
SEEN_CLAIM = msgspec.structs.replace(CLAIM, may_have_arrived=True)
RESUBMITTED = (
    Allowed(),
    OwnershipConfirmed("link-1", CLAIM),
    ClaimStored(NOW_S),
    OwnershipConfirmed("link-1", SEEN_CLAIM),
)


@pytest.mark.parametrize(
    ("server_code", "is_refused"), [(429, False), (479, True)], ids=["too fast", "invalid"]
)
def test_whether_the_message_itself_is_refused(server_code: int, is_refused: bool) -> None:
    """429 concerns all messages of the account; 479 is about this one (source: WABackendHandleError)."""
    attempt = after(SubmitRefused(server_code), AccountRestricted(90.0), attempt=submitted())
    error = Error("account_rate_limited", str(server_code))
    assert attempt.result == Deferred(error=error, until_s=90.0, is_refused=is_refused)


def test_a_refusal_of_what_may_have_arrived_is_counted() -> None:
    """It stays in doubt, but does not pause its account again and again for as long as the doubt lasts."""
    attempt = after(
        looked_up(InStore(-1)),
        *RESUBMITTED,
        SubmitRefused(479),
        AccountRestricted(90.0),
        attempt=begin(claim=CLAIM),
    )
    result = results.held_back_result(Error("account_rate_limited", "479"), 90.0)
    assert attempt.result == msgspec.structs.replace(result, is_refused=True)


@pytest.mark.parametrize("server_code", [463, 475, 404])
def test_a_refusal_for_good_of_what_may_have_arrived(server_code: int) -> None:
    """The recipient may have the message of the first submit: `failed` would say that it does not."""
    attempt = after(looked_up(InStore(-1)), *RESUBMITTED, attempt=begin(claim=CLAIM))
    attempt.observe(SubmitRefused(server_code), NOW_S)
    if server_code != 404:
        assert isinstance(attempt.action, RestrictAccount)
        attempt.observe(AccountRestricted(90.0), NOW_S)
    assert isinstance(attempt.result, OutcomeUnknown)
    assert str(server_code) in attempt.result.error.detail


def test_a_refusal_whose_code_is_lost_pauses_the_account() -> None:
    """It may have concerned the account. The message stays in doubt, and its next submit gets the code again."""
    attempt = after(looked_up(InStore(-1, server_code=LOST_CODE)), attempt=begin(claim=CLAIM))
    assert isinstance(attempt.action, RestrictAccount)
    assert attempt.action.error.is_account_pause
    attempt.observe(AccountRestricted(90.0), NOW_S)
    assert isinstance(attempt.result, Deferred)
    assert (attempt.result.in_doubt, attempt.result.until_s) == (True, 90.0)


def test_a_refusal_for_good_of_what_had_not_left() -> None:
    """The lookup has proved that the first submit did not leave the page: the message has failed."""
    observations = [Allowed(), OwnershipConfirmed("link-1", CLAIM), SubmitRefused(404)]
    assert after(*observations, attempt=reconciled()).action == failed(
        "recipient_not_on_whatsapp", "404"
    )


def test_the_page_refuses_for_good_what_may_have_arrived() -> None:
    """Nothing is sent a second time, and the first submit stays what it was: unknown."""
    attempt = after(looked_up(InStore(0)), *RESUBMITTED, attempt=begin(claim=CLAIM))
    attempt.observe(NotSubmitted("content_refused", "x"), NOW_S)
    assert isinstance(attempt.result, OutcomeUnknown)


# -- a copy that a later look-up does not find


def test_what_a_store_has_shown_is_noted_in_the_row() -> None:
    """Also if the attempt ends before it claims the message again."""
    attempt = after(looked_up(InStore(-1)), Denied(DISCONNECTED), attempt=begin(claim=CLAIM))
    assert isinstance(attempt.result, Deferred)
    assert attempt.result.in_doubt
    row = claims.concluded_claim(
        COMMAND, CLAIM, attempt.result, NOW_S, may_have_arrived=attempt.may_have_arrived
    )
    assert row == SEEN_CLAIM
    assert (
        claims.concluded_claim(COMMAND, row, attempt.result, NOW_S, may_have_arrived=True) is None
    )


@pytest.mark.parametrize(
    ("claim", "link"),
    [(SEEN_CLAIM, "link-1"), (msgspec.structs.replace(CLAIM, link="link-0"), "link-1")],
    ids=["seen before", "another link"],
)
@pytest.mark.parametrize("server_code", [404, 500])
def test_a_refusal_of_a_message_that_is_not_in_the_store_any_more(
    claim: Claim, link: str, server_code: int
) -> None:
    """It was in the store once, or in that of another link: it may have arrived, so it has not failed."""
    command = msgspec.structs.replace(COMMAND, dispatch_number=3, allow_duplicate=True)
    attempt = begin(command, claim)
    attempt.observe(looked_up(NotInStore(), link, claim=claim), NOW_S)
    attempt.observe(Allowed(), NOW_S)
    store_claim = attempt.observe(OwnershipConfirmed(link, claim), NOW_S)
    assert isinstance(store_claim, StoreClaim)
    assert store_claim.claim.may_have_arrived
    attempt.observe(ClaimStored(NOW_S), NOW_S)
    attempt.observe(OwnershipConfirmed(link, store_claim.claim), NOW_S)
    attempt.observe(SubmitRefused(server_code), NOW_S)
    if server_code == 404:
        assert isinstance(attempt.result, OutcomeUnknown)
    else:
        assert isinstance(attempt.result, Deferred)
        assert attempt.result.in_doubt


# -- how often a message in doubt is submitted


@pytest.mark.parametrize(
    "observations",
    [
        (SubmitRefused(500),),
        (SubmitRefused(479), AccountRestricted(0.0)),
        (NotSubmitted("page_crashed"),),
        (HeldBack("new_chats_restricted"),),
        (SubmitUncertain(), looked_up(LookupUnavailable("gone"))),
    ],
    ids=["refused", "invalid", "not submitted", "held back", "no lookup"],
)
def test_a_message_in_doubt_is_submitted_less_and_less_often(
    observations: tuple[Observation, ...],
) -> None:
    """Whatever comes of each further submit: a few dozen in an hour, not one in each half minute."""
    now_s, submits = NOW_S, 0
    while now_s < NOW_S + 3600:
        command = msgspec.structs.replace(COMMAND, appended_at_s=now_s)
        attempt = Attempt(command, SEEN_CLAIM, now_s)
        for observation in (looked_up(InStore(-1), claim=SEEN_CLAIM), *RESUBMITTED, *observations):
            if isinstance(observation, ClaimStored):
                observation = ClaimStored(now_s)
            attempt.observe(observation, now_s)
        assert isinstance(attempt.result, Deferred)
        assert attempt.result.in_doubt
        assert not attempt.result.is_held_back, "the time counts towards the end of the doubt"
        submits += attempt.submit_count
        now_s = max(attempt.result.until_s, now_s + 1)
    assert submits < 50
