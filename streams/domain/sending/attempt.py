"""The attempt: how one dispatch becomes at most one message. A state machine without I/O, clock or randomness.

    row            action                 observation              next action
    -------------  ---------------------  -----------------------  ------------------------------------
    see claim.py   (begin)                nothing can have left    LookUpNumber, or WaitUntilAllowed
                                                                   if the chat is known
                                          it may have left         LookUpMessage
                                          already concluded        Finish
                   LookUpNumber           NumberFound              WaitUntilAllowed, or Finish moved
                                          NumberNotFound           Finish failed
                                          NumberLookupFailed       Finish failed
                                          Denied                   Finish, not sent
                   WaitUntilAllowed       Allowed                  ConfirmOwnership
                                          Denied                   Finish, not sent
                   ConfirmOwnership       no claim of this         StoreClaim
                                          dispatch and link
                                          such a claim, in time    Submit
                                          such a claim, too late   Finish, not sent
                                          a row with a receipt     Finish sent
                   StoreClaim             ClaimStored              ConfirmOwnership
                   Submit                 SubmitAccepted           Finish sent
                                          SubmitUncertain          LookUpMessage
                                          HeldBack                 Finish, in doubt
                                          NotSubmitted             Finish, not sent
                                          SubmitRefused            Finish failed, or RestrictAccount
                   RestrictAccount        AccountRestricted        Finish failed, or deferred
                   LookUpMessage          MessageLookedUp          reconciliation.py: Finish,
                                                                   Reconnect, WaitUntilAllowed
                   Reconnect              Reconnected              Finish in doubt

Rules:
1. `Submit` follows only `OwnershipConfirmed`, under a stored claim that names this dispatch and the session's link.
2. Between two `Submit`s of one message there is a `MessageLookedUp`, under the link of the second one.
3. Nothing is submitted after the deadline, and at most `MAX_SUBMITS` times for one dispatch.
4. An attempt that ends while something may have left the page leaves its claim open, or reports `OutcomeUnknown`.

The shell (streams/sender/attempt_runner.py) executes each action and reports one observation, which answers it.
"""

from collections.abc import Mapping

from streams.domain.accounts.restriction import is_about_account
from streams.domain.errors import Error, ErrorClass, error_for
from streams.domain.phone.events import Failed, Result, Sent
from streams.domain.sending import claim as claims
from streams.domain.sending import reconciliation, refusals
from streams.domain.sending.actions import (
    AccountRestricted,
    Action,
    Allowed,
    ClaimStored,
    ConfirmOwnership,
    Denied,
    Finish,
    HeldBack,
    LookUpMessage,
    LookUpNumber,
    MessageLookedUp,
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
    WaitUntilAllowed,
)
from streams.domain.sending.claim import Claim, Conclude, OpenClaim, Reconcile
from streams.domain.sending.command import SendCommand, decode_content
from streams.domain.sending.reconciliation import AskToReconnect, SubmitAgain


class UnexpectedObservation(Exception):
    """The shell reported something that does not answer the current action."""


class Attempt:
    """One dispatch in the making. `action` is what to do now; `observe` reports its result."""

    def __init__(self, command: SendCommand, claim: Claim | None, now_s: float) -> None:
        """`claim` is the stored row of this message's WhatsApp id."""
        self.command = command
        self.claim_at_start = claim  # the row that a withdrawal restores
        self.chat_id = ""  # until it is known
        self.looked_up_chat_id: str | None = None  # what WhatsApp answered in this attempt
        self.submit_count = 0
        self._content: Mapping[str, object] = {}  # of the next submit
        self._link: str | None = None  # of the claim under which the last submit was made
        self._lookup_link: str | None = None  # the only one under which a second submit may follow
        self._may_be_claimed = False  # by this attempt
        self._is_first = False  # nothing of this message can have left before this attempt
        self._result_after_reconnect: Result | None = None
        self._is_found = False  # the last lookup concluded the attempt
        self._may_have_arrived = False  # an earlier page had it, without an ack
        self._is_reconciled = False  # a lookup has shown that an earlier submit did not leave
        self._is_refused = False  # by the server, and not only the pace of the account
        self.action: Action = self._begin(now_s)

    # -- what the shell reads

    @property
    def result(self) -> Result | None:
        """The result, once there is one."""
        return self.action.result if isinstance(self.action, Finish) else None

    @property
    def is_reconciling(self) -> bool:
        """Whether the message is being looked for because it may have left."""
        return isinstance(self.action, LookUpMessage)

    @property
    def is_proved_by_lookup(self) -> bool:
        """Whether a lookup has shown that the message in doubt was sent."""
        return self._is_found and isinstance(self.result, Sent)

    @property
    def is_withdrawable(self) -> bool:
        """A claim of this attempt may be stored, the page never had the message, and there is no result."""
        is_unsubmitted = self._is_first and not self.submit_count
        return self._may_be_claimed and is_unsubmitted and self.result is None

    def claim_ahead(self, link: str | None, claim: Claim | None, now_s: float) -> Claim | None:
        """The claim to store while earlier dispatches are submitted; None: nothing is to be stored.

        `link` is that of the session and `claim` the row, both at this moment.
        """
        if not isinstance(self.action, WaitUntilAllowed) or not self._is_first or link is None:
            return None
        if claim is not None and claim.receipt:
            return None
        return self._missing_claim(link, claim, now_s)

    # -- what happens

    def observe(self, observation: Observation, now_s: float) -> Action:
        """Report the result of the current action; returns the next one.

        Raises:
            UnexpectedObservation: it does not answer the current action. Nothing has changed.
        """
        self.action = self._next(observation, now_s)
        return self.action

    def fail(self, detail: str) -> Action:
        """The shell failed on this attempt: a bug costs one message, and never sends a second one."""
        if self.result is None:
            may_have_left = self.submit_count or not self._is_first
            failed = Failed(error=Error("internal_error", detail))
            self.action = Finish(claims.in_doubt_result(detail) if may_have_left else failed)
        return self.action

    def _begin(self, now_s: float) -> Action:
        match claims.decide(self.command, self.claim_at_start, now_s):
            case Conclude(result):
                return Finish(result)
            case Reconcile():
                self.chat_id = (self.claim_at_start and self.claim_at_start.chat_id) or ""
                if not self.chat_id:
                    return Finish(claims.in_doubt_result("the claim does not name its chat"))
                return LookUpMessage(self.chat_id)
            case OpenClaim():
                self._is_first = True
                self.chat_id = self.command.chat_id or ""
                return self._wait() if self.chat_id else LookUpNumber(self.command.phone)

    def _next(self, observation: Observation, now_s: float) -> Action:
        match self.action, observation:
            case LookUpNumber(), _:
                return self._after_number_lookup(observation)
            case WaitUntilAllowed(), Allowed():
                return ConfirmOwnership()
            case WaitUntilAllowed(), Denied(error, until_s):
                return self._not_sent(error, until_s)
            case StoreClaim(), ClaimStored():
                return ConfirmOwnership()
            case ConfirmOwnership(), OwnershipConfirmed(link, claim):
                return self._claim_or_submit(link, claim, now_s)
            case Submit(), _:
                return self._after_submit(observation, now_s)
            case RestrictAccount(error), AccountRestricted(until_s):
                return self._refused(error, until_s)
            case LookUpMessage(), MessageLookedUp():
                return self._after_message_lookup(observation, now_s)
            case Reconnect(), Reconnected() if self._result_after_reconnect is not None:
                return Finish(self._result_after_reconnect)
            case _:
                raise _unexpected(self.action, observation)

    def _after_number_lookup(self, observation: Observation) -> Action:
        match observation:
            case NumberFound(chat_id, phone):
                self.chat_id = self.looked_up_chat_id = chat_id
                moved = claims.moved_result(self.command, phone)
                return Finish(moved) if moved is not None else self._wait()
            case NumberNotFound():
                return Finish(Failed(error=Error("recipient_not_on_whatsapp")))
            case NumberLookupFailed(detail):
                return self._not_sent(Error("lookup_failed", detail))
            case Denied(error, until_s):
                return self._not_sent(error, until_s)
            case _:
                raise _unexpected(self.action, observation)

    # -- towards a submit

    def _wait(self) -> Action:
        """A message whose content cannot be read waits for nothing."""
        content = decode_content(self.command.content)
        if content is None:
            return self._not_sent(Error("internal_error", "the content cannot be read"))
        self._content = content
        return WaitUntilAllowed()

    def _claim_or_submit(self, link: str | None, claim: Claim | None, now_s: float) -> Action:
        """Rule 1: a submit needs a stored claim of this dispatch under the session's link."""
        if claim is not None and claim.receipt:
            return Finish(Sent(at_s=now_s))
        if self._is_reconciled and link != self._lookup_link:
            return Finish(claims.in_doubt_result("linked again since the lookup"))
        missing = self._missing_claim(link, claim, now_s)
        if missing is not None:
            return StoreClaim(missing)
        if now_s >= self.command.deadline_s:
            return self._not_sent(Error("deadline_exceeded"))
        self._link = link
        self.submit_count += 1
        return Submit(self.chat_id, self._content)

    def _missing_claim(self, link: str | None, claim: Claim | None, now_s: float) -> Claim | None:
        """The claim that must still be stored; None if the row is that claim already."""
        if claim is not None and claim.permits_submit(self.command, self.chat_id, link):
            return None
        self._may_be_claimed = True
        return claims.new_claim(self.command, claim, chat_id=self.chat_id, link=link, now_s=now_s)

    # -- after a submit

    def _after_submit(self, observation: Observation, now_s: float) -> Action:
        match observation:
            case SubmitAccepted(at_s):
                return Finish(Sent(at_s=at_s))
            case SubmitUncertain():
                return LookUpMessage(self.chat_id)
            case HeldBack(code, detail, until_s):
                return Finish(claims.held_back_result(error_for(code, detail), until_s))
            case NotSubmitted(code, detail, until_s):
                is_too_late = now_s >= self.command.deadline_s
                error = refusals.error_before_submit(code, detail, is_too_late=is_too_late)
                return self._not_sent(error, until_s)
            case SubmitRefused(server_code, detail):
                error = refusals.error_for_refusal(server_code, detail)
                self._is_refused = refusals.is_about_message(server_code)
                if is_about_account(error):
                    return RestrictAccount(error, self._link)
                return self._refused(error)
            case _:
                raise _unexpected(self.action, observation)

    def _after_message_lookup(self, observation: MessageLookedUp, now_s: float) -> Action:
        assert observation.claim is not None, "the row of a message in doubt stays until its result"
        decision = reconciliation.after_lookup(
            self.command,
            observation.claim,
            observation.lookup,
            link=observation.link,
            submit_count=self.submit_count,
            now_s=now_s,
        )
        match decision:
            case Conclude(result):
                self._is_found = True
                return Finish(result)
            case AskToReconnect(result):
                self._result_after_reconnect = result
                return Reconnect()
            case SubmitAgain():
                self._is_reconciled, self._lookup_link = True, observation.link
                self._may_have_arrived = reconciliation.may_have_arrived(observation.lookup)
                return self._wait()

    def _not_sent(self, error: Error, until_s: float = 0.0) -> Finish:
        """This attempt sent nothing. An earlier one stays in doubt, unless trying again cannot help."""
        if self._is_reconciled and error.error_class is not ErrorClass.PERMANENT:
            return Finish(claims.held_back_result(error, until_s))
        return Finish(claims.not_sent_result(error, until_s))

    def _refused(self, error: Error, until_s: float = 0.0) -> Finish:
        doubts = {"may_have_arrived": self._may_have_arrived, "is_refused": self._is_refused}
        return Finish(claims.refused_result(error, until_s, **doubts))


def _unexpected(action: Action, observation: Observation) -> UnexpectedObservation:
    return UnexpectedObservation(f"{type(observation).__name__} after {type(action).__name__}")
