"""The actions that an attempt requests, and the observations that it gets back. Values only; decides nothing.

An action is imperative. The shell carries it out and reports exactly one observation, in the past
tense; the docstring of the action names the observations that answer it. Times are epoch seconds.
"""

from collections.abc import Mapping

import msgspec

from streams.domain.errors import Error
from streams.domain.phone.events import Result
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Claim
from streams.domain.sending.command import SendCommand
from streams.domain.sending.reconciliation import StoreLookup
from streams.domain.sending.resolved import NOTHING_RESOLVED, Resolved

# -- actions


class LookUpNumber(msgspec.Struct, frozen=True):
    """Ask WhatsApp for the chat of a number: NumberFound, NumberNotFound, NumberLookupFailed, Denied."""

    phone: str


class FetchMedia(msgspec.Struct, frozen=True):
    """Fetch the file of this content by its URL: MediaFetched, MediaNotFetched."""

    content: Mapping[str, object]


class WaitUntilAllowed(msgspec.Struct, frozen=True):
    """Wait until session, restriction and pace allow one submit: Allowed, Denied."""


class StoreClaim(msgspec.Struct, frozen=True):
    """Make this claim durable: ClaimStored."""

    claim: Claim


class ConfirmOwnership(msgspec.Struct, frozen=True):
    """Wait until the fence confirms that this process owns the send topic: OwnershipConfirmed."""


class Submit(msgspec.Struct, frozen=True):
    """Give the message to WhatsApp.

    SubmitAccepted, SubmitUncertain, HeldBack, NotSubmitted, NotBegun, SubmitRefused.
    """

    chat_id: str
    content: Mapping[str, object]


class LookUpMessage(msgspec.Struct, frozen=True):
    """Look for the message's id in the page's store: MessageLookedUp."""

    chat_id: str


class Reconnect(msgspec.Struct, frozen=True):
    """Have the page connect again, so that it sends once more what is pending: Reconnected.

    `result`: that of the attempt, then.
    """

    result: Result


class RestrictAccount(msgspec.Struct, frozen=True):
    """Restrict the account before anything else is done: AccountRestricted."""

    error: Error  # WhatsApp's refusal, which is the message's result
    link: str | None  # under which the message was submitted


class Finish(msgspec.Struct, frozen=True):
    """Store and publish this result. Nothing answers it: the attempt is over."""

    result: Result


Action = (
    LookUpNumber
    | FetchMedia
    | WaitUntilAllowed
    | StoreClaim
    | ConfirmOwnership
    | Submit
    | LookUpMessage
    | Reconnect
    | RestrictAccount
    | Finish
)

# -- observations


class NumberFound(msgspec.Struct, frozen=True):
    """The number is on WhatsApp, in this chat. `phone` is WhatsApp's own number of the chat, if it says so."""

    chat_id: str
    phone: str | None = None


class NumberNotFound(msgspec.Struct, frozen=True):
    """WhatsApp's server says that the number is not on WhatsApp."""


class NumberLookupFailed(msgspec.Struct, frozen=True):
    """WhatsApp gave no answer, which must not be taken for "no"."""

    detail: str


class MediaFetched(msgspec.Struct, frozen=True):
    """The file is on disk. The content names its type and its name, and no URL any more."""

    content: Mapping[str, object]


class MediaNotFetched(msgspec.Struct, frozen=True):
    """There is no file, or none yet."""

    error: Error


class Allowed(msgspec.Struct, frozen=True):
    """One submit may follow now."""


class Denied(msgspec.Struct, frozen=True):
    """Nothing can be done before `until_s` (0: unknown), for this reason."""

    error: Error
    until_s: float = 0.0


class ClaimStored(msgspec.Struct, frozen=True):
    """The broker has the claim. It appended its record at this time, by its own clock.

    `resolved`: the dispatches that somebody may have ended before this record.
    """

    appended_at_s: float
    resolved: Resolved = NOTHING_RESOLVED

    def is_in_time(self, command: SendCommand) -> bool:
        """Whether this claim permits a submit of this dispatch."""
        is_in_time = claims.is_in_time(command, self.appended_at_s)
        return is_in_time and not self.resolved.may_include(command)


class OwnershipConfirmed(msgspec.Struct, frozen=True):
    """This process owns the send topic. With the session's link and the message's row at this moment."""

    link: str | None
    claim: Claim | None


class SubmitAccepted(msgspec.Struct, frozen=True):
    """WhatsApp's server has the message. `at_s` is never before its arrival there."""

    at_s: float


class SubmitUncertain(msgspec.Struct, frozen=True):
    """The message may or may not have left the page."""


class HeldBack(msgspec.Struct, frozen=True):
    """Nothing left the page now, but an earlier attempt may have sent it. `until_s`: as in NotSubmitted."""

    code: str
    detail: str = ""
    until_s: float = 0.0


class NotSubmitted(msgspec.Struct, frozen=True):
    """Nothing left the page, and nothing will. `until_s`: the same would happen before then; 0: unknown.

    `is_too_late`: the deadline of the dispatch has passed.
    """

    code: str
    detail: str = ""
    until_s: float = 0.0
    is_too_late: bool = False


class NotBegun(msgspec.Struct, frozen=True):
    """It was submitted ahead, and the message before it was not accepted: nothing was done for it, it waits again."""


class SubmitRefused(msgspec.Struct, frozen=True):
    """WhatsApp's server answered with this code (refusals.py says what it means)."""

    server_code: int
    detail: str = ""


class MessageLookedUp(msgspec.Struct, frozen=True):
    """What the page's store says of the id. With the session's link and the message's row at this moment."""

    lookup: StoreLookup
    link: str | None
    claim: Claim | None


class Reconnected(msgspec.Struct, frozen=True):
    """The page was asked to connect again, now or a short time ago. It does so by itself."""


class AccountRestricted(msgspec.Struct, frozen=True):
    """The restriction is durable. It ends at `until_s`."""

    until_s: float = 0.0


Observation = (
    NumberFound
    | NumberNotFound
    | NumberLookupFailed
    | MediaFetched
    | MediaNotFetched
    | Allowed
    | Denied
    | ClaimStored
    | OwnershipConfirmed
    | SubmitAccepted
    | SubmitUncertain
    | HeldBack
    | NotSubmitted
    | NotBegun
    | SubmitRefused
    | MessageLookedUp
    | Reconnected
    | AccountRestricted
)


class UnexpectedObservation(Exception):
    """The shell reported something that does not answer the current action."""

    def __init__(self, action: Action, observation: Observation) -> None:
        super().__init__(f"{type(observation).__name__} after {type(action).__name__}")
