"""An attempt at each of its actions, and the values that the tests of attempts share."""

from collections.abc import Callable

import msgspec

from streams.domain.errors import Error
from streams.domain.phone.events import Failed
from streams.domain.sending import results
from streams.domain.sending.actions import (
    Allowed,
    ClaimStored,
    ConfirmOwnership,
    Denied,
    FetchMedia,
    Finish,
    LookUpMessage,
    LookUpNumber,
    MessageLookedUp,
    NotBegun,
    NotSubmitted,
    NumberFound,
    NumberLookupFailed,
    Observation,
    OwnershipConfirmed,
    Reconnect,
    RestrictAccount,
    StoreClaim,
    Submit,
    SubmitRefused,
    SubmitUncertain,
    WaitUntilAllowed,
)
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.claim import Claim
from streams.domain.sending.command import SendCommand
from streams.domain.sending.reconciliation import (
    STALL_TIMEOUT_S,
    InStore,
    NotInStore,
    StoreLookup,
)

CHAT = "60123456789@c.us"
NOW_S, DEADLINE_S, LATE_S = 10.0, 20.0, 30.0
COMMAND = SendCommand(
    phone="+60123456789",
    id="m1",
    dispatch_number=2,
    account="main",
    appended_at_s=0.0,
    timeout_s=DEADLINE_S,
    content=b'{"type":"text"}',
    chat_id=CHAT,
)
URL_CONTENT = {"type": "image", "url": "https://example.com/a.png"}
FILE_CONTENT = {"type": "image", "mime": "image/png", "filename": "image.png"}
WITH_URL = msgspec.structs.replace(COMMAND, content=msgspec.json.encode(URL_CONTENT))
WITHOUT_CHAT = msgspec.structs.replace(COMMAND, chat_id=None)
CLAIM = Claim(
    phone="+60123456789",
    id="m1",
    dispatch_number=2,
    chat_id=CHAT,
    link="link-1",
    claimed_at_s=NOW_S,
)
DISCONNECTED = Error("disconnected")
# A claim whose message has been pending for so long that the page is asked to reconnect.
STALLED_CLAIM = msgspec.structs.replace(CLAIM, claimed_at_s=NOW_S - STALL_TIMEOUT_S)
TIME_LOCKED = Error("reachout_timelocked", "463")
PENDING = InStore(0, is_pending=True)
PENDING_DETAIL = "the page has it, and the server has not acked it"
SUBMIT = Submit(CHAT, {"type": "text"})


def begin(command: SendCommand = COMMAND, claim: Claim | None = None) -> Attempt:
    """An attempt at its first action."""
    return Attempt(command, claim, NOW_S)


def after(*observations: Observation, attempt: Attempt | None = None) -> Attempt:
    """The attempt after these observations."""
    attempt = attempt or begin()
    for observation in observations:
        attempt.observe(observation, NOW_S)
    return attempt


def submitted() -> Attempt:
    """An attempt whose action is its first submit."""
    return after(
        Allowed(),
        OwnershipConfirmed("link-1", None),
        ClaimStored(NOW_S),
        OwnershipConfirmed("link-1", CLAIM),
    )


ATTEMPTS: dict[type, Callable[[], Attempt]] = {
    LookUpNumber: lambda: begin(WITHOUT_CHAT),
    FetchMedia: lambda: begin(WITH_URL),
    WaitUntilAllowed: begin,
    ConfirmOwnership: lambda: after(Allowed()),
    StoreClaim: lambda: after(Allowed(), OwnershipConfirmed("link-1", None)),
    Submit: submitted,
    RestrictAccount: lambda: after(SubmitRefused(463), attempt=submitted()),
    LookUpMessage: lambda: begin(claim=CLAIM),
    Reconnect: lambda: after(
        MessageLookedUp(PENDING, "link-1", STALLED_CLAIM), attempt=begin(claim=STALLED_CLAIM)
    ),
    Finish: lambda: after(Denied(DISCONNECTED)),
}


def looked_up(
    lookup: StoreLookup, link: str = "link-1", *, claim: Claim = CLAIM
) -> MessageLookedUp:
    """The page's store has this answer; the row is an open claim."""
    return MessageLookedUp(lookup, link, claim)


def in_doubt(detail: str, until_s: float = 0.0) -> Finish:
    """The claim stays open."""
    return Finish(results.in_doubt_result(detail, until_s))


def failed(code: str, detail: str = "") -> Finish:
    """The message was certainly not sent."""
    return Finish(Failed(error=Error(code, detail)))


def reconciled() -> Attempt:
    """An attempt that waits for its second submit, because the first is not in the store."""
    return after(SubmitUncertain(), looked_up(NotInStore()), attempt=submitted())


NUMBER_OBSERVATIONS: list[Observation] = [
    NumberFound(CHAT),
    NumberLookupFailed("no answer"),
    Denied(DISCONNECTED),
]
NOTHING_SUBMITTED: list[Observation] = [
    NotBegun(),
    NotSubmitted("timeout_before_submit"),
    NotSubmitted("disconnected"),
]


class ProcessEnded(Exception):
    """The sender ends at this point; what is durable stays."""
