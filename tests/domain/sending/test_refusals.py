"""An attempt that WhatsApp or the page refuses: what is certain, what stays in doubt. No I/O, no clock."""

import msgspec
import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, OutcomeUnknown
from streams.domain.sending import claim as claims
from streams.domain.sending.actions import (
    AccountRestricted,
    Allowed,
    ClaimStored,
    NotSubmitted,
    OwnershipConfirmed,
    RestrictAccount,
    SubmitRefused,
)
from streams.domain.sending.reconciliation import InStore
from tests.domain.sending.attempts import (
    CLAIM,
    NOW_S,
    after,
    begin,
    failed,
    looked_up,
    reconciled,
    submitted,
)

# A second submit, after a lookup, up to the moment at which the page is given the message.
RESUBMITTED = (
    Allowed(),
    OwnershipConfirmed("link-1", CLAIM),
    ClaimStored(NOW_S),
    OwnershipConfirmed("link-1", CLAIM),
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
    result = claims.held_back_result(Error("account_rate_limited", "479"), 90.0)
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
