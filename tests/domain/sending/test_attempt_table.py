"""The attempt as a table: every action meets every observation. No I/O, no clock."""

import copy

import msgspec
import pytest

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, Moved, OutcomeUnknown, Sent
from streams.domain.sending import results
from streams.domain.sending.actions import (
    AccountRestricted,
    Action,
    Allowed,
    ClaimStored,
    ConfirmOwnership,
    Denied,
    FetchMedia,
    Finish,
    HeldBack,
    LookUpMessage,
    LookUpNumber,
    MediaFetched,
    MediaNotFetched,
    NotBegun,
    NotSubmitted,
    NumberFound,
    NumberLookupFailed,
    NumberNotFound,
    Observation,
    OwnershipConfirmed,
    Reconnect,
    Reconnected,
    RestrictAccount,
    StoreClaim,
    Submit,
    SubmitAccepted,
    SubmitRefused,
    SubmitUncertain,
    UnexpectedObservation,
    WaitUntilAllowed,
)
from streams.domain.sending.reconciliation import (
    MIN_PENDING_DELAY_S,
    STALL_TIMEOUT_S,
    InStore,
    LookupUnavailable,
    NotInStore,
)
from tests.domain.sending.attempts import (
    ATTEMPTS,
    CHAT,
    CLAIM,
    DISCONNECTED,
    FILE_CONTENT,
    NOW_S,
    PENDING,
    PENDING_DETAIL,
    STALLED_CLAIM,
    TIME_LOCKED,
    failed,
    in_doubt,
    looked_up,
)

STALLED = in_doubt(PENDING_DETAIL, NOW_S + STALL_TIMEOUT_S / 2)
UNKNOWN_OTHER_LINK = OutcomeUnknown(
    at_s=NOW_S,
    error=Error("outcome_unknown", "the account has been linked again since the attempt"),
)

HELD_BACK = Deferred(
    error=Error("attempt_in_doubt", "new_chats_restricted: why"),
    until_s=70.0,
    in_doubt=True,
    is_held_back=True,
)

LATE_TIME_LOCK = Error("reachout_timelocked", "463: after the ack timeout")
LATE_DETAIL = "recipient_not_on_whatsapp: 404: after the ack timeout"
UNKNOWN_REFUSED_LATE = results.unknown_result(
    f"an earlier submit may have arrived; the last one: {LATE_DETAIL}", NOW_S
)
REFUSED_LATE = results.in_doubt_result("server_error: 500: after the ack timeout")
NOT_FETCHED = Error("media_fetch_failed", "the server answered with status 404")
PENDING_FILE = Error("media_pending")
PROVED_CLAIM = msgspec.structs.replace(CLAIM, receipt="sent")

TABLE: list[tuple[type, Observation, Action]] = [
    (LookUpNumber, NumberFound(CHAT), WaitUntilAllowed()),
    (LookUpNumber, NumberFound(CHAT, "+554188887777"), Finish(Moved(phone="+554188887777"))),
    (LookUpNumber, NumberNotFound(), failed("recipient_not_on_whatsapp")),
    (LookUpNumber, NumberLookupFailed("no answer"), failed("lookup_failed", "no answer")),
    (LookUpNumber, Denied(DISCONNECTED), Finish(Deferred(error=DISCONNECTED))),
    (FetchMedia, MediaFetched(FILE_CONTENT), WaitUntilAllowed()),
    (FetchMedia, MediaNotFetched(NOT_FETCHED), Finish(Failed(error=NOT_FETCHED))),
    (FetchMedia, MediaNotFetched(PENDING_FILE), Finish(Deferred(error=PENDING_FILE))),
    (WaitUntilAllowed, Allowed(), ConfirmOwnership()),
    (WaitUntilAllowed, Denied(DISCONNECTED, 70.0), Finish(Deferred(error=DISCONNECTED, until_s=70.0))),
    (ConfirmOwnership, OwnershipConfirmed("link-1", None), StoreClaim(CLAIM)),
    (ConfirmOwnership, OwnershipConfirmed("link-1", CLAIM), StoreClaim(CLAIM)),
    (
        ConfirmOwnership,
        OwnershipConfirmed("link-2", CLAIM),
        StoreClaim(msgspec.structs.replace(CLAIM, link="link-2")),
    ),
    (
        ConfirmOwnership,
        OwnershipConfirmed("link-1", msgspec.structs.replace(CLAIM, dispatch_number=1)),
        StoreClaim(CLAIM),
    ),
    (ConfirmOwnership, OwnershipConfirmed("link-1", PROVED_CLAIM), Finish(Sent(at_s=NOW_S))),
    (StoreClaim, ClaimStored(NOW_S), ConfirmOwnership()),
    (Submit, SubmitAccepted(11.0), Finish(Sent(at_s=11.0))),
    (Submit, SubmitUncertain(), LookUpMessage(CHAT)),
    (Submit, HeldBack("new_chats_restricted", "why", 70.0), Finish(HELD_BACK)),
    (Submit, NotBegun(), WaitUntilAllowed()),
    (Submit, NotSubmitted("content_refused", "why"), failed("content_refused", "why")),
    (Submit, NotSubmitted("disconnected"), Finish(Deferred(error=DISCONNECTED))),
    (Submit, NotSubmitted("timeout_before_submit"), failed("timeout_before_submit")),
    (Submit, NotSubmitted("no such code"), failed("server_error", "no such code")),
    (Submit, SubmitRefused(500, "why"), failed("server_error", "500: why")),
    (Submit, SubmitRefused(404), failed("recipient_not_on_whatsapp", "404")),
    (Submit, SubmitRefused(463), RestrictAccount(TIME_LOCKED, "link-1")),
    (RestrictAccount, AccountRestricted(90.0), Finish(Failed(error=TIME_LOCKED))),
    (LookUpMessage, looked_up(InStore(1)), Finish(Sent(at_s=NOW_S))),
    (LookUpMessage, looked_up(PENDING), in_doubt(PENDING_DETAIL, NOW_S + MIN_PENDING_DELAY_S)),
    (
        LookUpMessage,
        looked_up(PENDING, claim=msgspec.structs.replace(CLAIM, claimed_at_s=NOW_S - 40)),
        in_doubt(PENDING_DETAIL, NOW_S + 20),
    ),
    (LookUpMessage, looked_up(PENDING, claim=STALLED_CLAIM), Reconnect(STALLED.result)),
    (LookUpMessage, looked_up(InStore(0)), WaitUntilAllowed()),
    (LookUpMessage, looked_up(InStore(-1)), WaitUntilAllowed()),
    (LookUpMessage, looked_up(NotInStore()), WaitUntilAllowed()),
    (LookUpMessage, looked_up(NotInStore(), "link-2"), Finish(UNKNOWN_OTHER_LINK)),
    (LookUpMessage, looked_up(InStore(0), "link-2"), Finish(UNKNOWN_OTHER_LINK)),
    (LookUpMessage, looked_up(InStore(-1), "link-2"), Finish(UNKNOWN_OTHER_LINK)),
    (LookUpMessage, looked_up(InStore(1), "link-2"), Finish(Sent(at_s=NOW_S))),
    (LookUpMessage, looked_up(InStore(-1, server_code=463)), RestrictAccount(LATE_TIME_LOCK, "link-1")),
    (LookUpMessage, looked_up(InStore(-1, server_code=404)), Finish(UNKNOWN_REFUSED_LATE)),
    (LookUpMessage, looked_up(InStore(-1, server_code=500)), Finish(REFUSED_LATE)),
    (LookUpMessage, looked_up(InStore(-1, server_code=463), "link-2"), Finish(UNKNOWN_OTHER_LINK)),
    (LookUpMessage, looked_up(LookupUnavailable("gone")), in_doubt("gone")),
    (
        LookUpMessage,
        looked_up(NotInStore(), "link-2", claim=PROVED_CLAIM),
        Finish(Sent(at_s=NOW_S)),
    ),
    (Reconnect, Reconnected(), STALLED),
]  # fmt: skip
LEGAL = {(action, type(observation)) for action, observation, _ in TABLE}
OBSERVATIONS: list[Observation] = [
    NumberFound(CHAT),
    NumberNotFound(),
    NumberLookupFailed("no answer"),
    MediaFetched(FILE_CONTENT),
    MediaNotFetched(NOT_FETCHED),
    Allowed(),
    Denied(DISCONNECTED),
    ClaimStored(NOW_S),
    OwnershipConfirmed("link-1", CLAIM),
    SubmitAccepted(11.0),
    SubmitUncertain(),
    HeldBack("new_chats_restricted"),
    NotSubmitted("disconnected"),
    NotBegun(),
    SubmitRefused(463),
    looked_up(NotInStore()),
    Reconnected(),
    AccountRestricted(),
]


@pytest.mark.parametrize(
    ("action", "observation", "expected"),
    TABLE,
    ids=[f"{action.__name__}-{observation}"[:80] for action, observation, _ in TABLE],
)
def test_a_legal_observation_leads_to_the_next_action(
    action: type, observation: Observation, expected: Action
) -> None:
    """The next action is the one in the table at the top of attempt.py."""
    attempt = ATTEMPTS[action]()
    assert isinstance(attempt.action, action)
    assert attempt.observe(observation, NOW_S) == expected
    assert attempt.action == expected


@pytest.mark.parametrize("action", ATTEMPTS, ids=lambda action: action.__name__)
@pytest.mark.parametrize("observation", OBSERVATIONS, ids=lambda value: type(value).__name__)
def test_any_other_observation_raises_and_changes_nothing(
    action: type, observation: Observation
) -> None:
    """This holds for every action that the observation does not answer."""
    if (action, type(observation)) in LEGAL:
        return
    attempt = ATTEMPTS[action]()
    before = copy.copy(vars(attempt))
    with pytest.raises(UnexpectedObservation, match=type(observation).__name__):
        attempt.observe(observation, NOW_S)
    assert vars(attempt) == before


def test_the_tables_are_complete() -> None:
    """Each action can be reached, and each observation answers some action."""
    assert set(ATTEMPTS) == set(Action.__args__)
    assert {type(observation) for observation in OBSERVATIONS} == set(Observation.__args__)
    assert {kind for _, kind in LEGAL} == set(Observation.__args__)
    assert {action for action, _ in LEGAL} == set(Action.__args__) - {Finish}
