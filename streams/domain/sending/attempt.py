"""The attempt: how one dispatch becomes at most one message. A state machine without I/O, clock or randomness.

    row            action                 observation              next action
    -------------  ---------------------  -----------------------  ------------------------------------
    see claim.py   (begin)                nothing can have left    LookUpNumber, or FetchMedia
                                                                   if the chat is known
                                          it may have left         LookUpMessage
                                          already concluded        Finish
                   LookUpNumber           NumberFound              FetchMedia, or Finish moved
                                          NumberNotFound, failed   Finish failed
                                          Denied                   Finish, not sent
                   FetchMedia             MediaFetched             WaitUntilAllowed
                                          MediaNotFetched          Finish, not sent
                   WaitUntilAllowed       Allowed                  ConfirmOwnership
                                          Denied                   Finish, not sent
                   ConfirmOwnership       no claim of this         StoreClaim
                                          attempt and link
                                          such a claim, in time    Submit
                                          such a claim, too late   Finish, not sent
                                          a row with a receipt     Finish sent
                   StoreClaim             ClaimStored              ConfirmOwnership
                   Submit                 SubmitAccepted           Finish sent
                                          SubmitUncertain          LookUpMessage
                                          HeldBack                 Finish, in doubt
                                          NotSubmitted             Finish, not sent
                          NotBegun                 WaitUntilAllowed
                                          SubmitRefused            Finish failed, or RestrictAccount
                   RestrictAccount        AccountRestricted        Finish failed, or deferred
                   LookUpMessage          MessageLookedUp          reconciliation.py: Finish, Reconnect,
                                                                   FetchMedia, RestrictAccount
                   Reconnect              Reconnected              Finish in doubt

Without a URL, or with its file on disk, FetchMedia is left out. Rules:

1. `Submit` follows only `OwnershipConfirmed`, under a claim that this attempt has stored, which names this dispatch
   and the session's link.
2. Between two `Submit`s of one message there is a `MessageLookedUp`, under the link of the second one.
3. A claim is in time if the broker appended its record before the deadline, and not before the command: no clock of
   a host decides it. It counts only if nobody can have ended the dispatch before that record (resolved.py). Nothing is
   submitted under another one, nor more than `MAX_SUBMITS` times in a dispatch. A file is fetched before the claim.
4. An attempt that ends while something may have left the page leaves its claim open, or reports `OutcomeUnknown`.

The shell (streams/sender/attempts/executor.py) executes each action and reports one observation, which answers it.
"""

from collections.abc import Mapping

from streams.domain.accounts.restriction import is_about_account
from streams.domain.errors import Error, error_for
from streams.domain.phone.events import Failed, Result, Sent
from streams.domain.sending import actions, reconciliation, refusals, results
from streams.domain.sending import claim as claims
from streams.domain.sending.actions import Action, Observation, UnexpectedObservation
from streams.domain.sending.claim import Claim, Conclude, OpenClaim, Reconcile
from streams.domain.sending.command import SendCommand, decode_content
from streams.domain.sending.reconciliation import AskToReconnect, RefusedLate, SubmitAgain
from streams.domain.sending.submit_history import SubmitHistory


class Attempt:
    """One dispatch in the making. `action` is what to do now; `observe` reports its result."""

    def __init__(self, command: SendCommand, claim: Claim | None, now_s: float) -> None:
        """`claim` is the stored row of this message's WhatsApp id."""
        self.command = command
        self.claim_at_start = claim  # the row that a withdrawal restores
        self.chat_id = ""  # until it is known
        self.looked_up_chat_id: str | None = None  # what WhatsApp answered in this attempt
        self.content: Mapping[str, object] = {}  # of the next submit
        self._fetched_content: Mapping[str, object] | None = None  # once its file is on disk
        self._history = SubmitHistory()
        self._may_be_claimed = False  # by this attempt
        self._claim_stored: actions.ClaimStored | None = None  # the last claim of this attempt
        self._is_found = False  # the last lookup concluded the attempt
        self._is_refused = False  # by the server, and not only the pace of the account
        self.action: Action = self._begin(now_s)

    # -- what the shell reads

    @property
    def result(self) -> Result | None:
        """The result, once there is one."""
        return self.action.result if isinstance(self.action, actions.Finish) else None

    @property
    def submit_count(self) -> int:
        """How often the page was given the message."""
        return self._history.submit_count

    @property
    def may_have_arrived(self) -> bool:
        """Whether an earlier copy of the message may be with its recipient: the row is to remember it."""
        return self._history.may_have_arrived

    @property
    def is_reconciling(self) -> bool:
        """Whether the message is being looked for because it may have left."""
        return isinstance(self.action, actions.LookUpMessage)

    @property
    def is_proved_by_lookup(self) -> bool:
        """Whether a lookup has shown that the message in doubt was sent."""
        return self._is_found and isinstance(self.result, Sent)

    @property
    def is_withdrawable(self) -> bool:
        """A claim of this attempt may be stored, the page never had the message, and there is no result."""
        return self._may_be_claimed and not self._history.may_have_left and self.result is None

    def claim_ahead(self, link: str | None, claim: Claim | None, now_s: float) -> Claim | None:
        """The claim to store while earlier dispatches are submitted; None: nothing is to be stored.

        `link` is that of the session and `claim` the row, both at this moment.
        """
        is_waiting = isinstance(self.action, actions.WaitUntilAllowed)
        if not is_waiting or self._history.may_have_left or link is None:
            return None
        has_receipt = claim is not None and claim.receipt
        return None if has_receipt else self._missing_claim(link, claim, now_s)

    def claimed_ahead(self, claim_stored: actions.ClaimStored) -> None:
        """The claim ahead is durable."""
        self._claim_stored = claim_stored

    # -- what happens

    def observe(self, observation: Observation, now_s: float) -> Action:
        """Report the result of the current action; returns the next one.

        Raises:
            UnexpectedObservation: it does not answer the current action. Nothing has changed.
        """
        self.action = self._history.delay(self._next(observation, now_s), now_s)
        return self.action

    def fail(self, detail: str) -> Action:
        """The shell failed on this attempt: a bug costs one message, and never sends a second one."""
        if self.result is None:
            is_in_doubt = self._history.may_have_left
            failed = Failed(error=Error("internal_error", detail))
            self.action = actions.Finish(results.in_doubt_result(detail) if is_in_doubt else failed)
        return self.action

    def _begin(self, now_s: float) -> Action:
        match claims.decide(self.command, self.claim_at_start, now_s):
            case Conclude(result):
                return actions.Finish(result)
            case Reconcile():
                self.chat_id = (self.claim_at_start and self.claim_at_start.chat_id) or ""
                if not self.chat_id:
                    no_chat = results.in_doubt_result("the claim does not name its chat")
                    return actions.Finish(no_chat)
                return actions.LookUpMessage(self.chat_id)
            case OpenClaim():
                self._history = SubmitHistory(is_first=True)
                self.chat_id = self.command.chat_id or ""
                if not self.chat_id:
                    return actions.LookUpNumber(self.command.phone)
                return self._wait(now_s)

    def _next(self, observation: Observation, now_s: float) -> Action:
        match self.action, observation:
            case ((actions.LookUpNumber() | actions.FetchMedia() | actions.WaitUntilAllowed()), _):
                return self._after_preparation(observation, now_s)
            case actions.StoreClaim(), actions.ClaimStored():
                self._claim_stored = observation
                return actions.ConfirmOwnership()
            case actions.ConfirmOwnership(), actions.OwnershipConfirmed(link, claim):
                return self._claim_or_submit(link, claim, now_s)
            case actions.Submit(), _:
                return self._after_submit(observation, now_s)
            case actions.RestrictAccount(error), actions.AccountRestricted(until_s):
                return self._refused(now_s, error, until_s)
            case actions.LookUpMessage(), actions.MessageLookedUp():
                return self._after_message_lookup(observation, now_s)
            case actions.Reconnect(result), actions.Reconnected():
                return actions.Finish(result)
            case _:
                raise UnexpectedObservation(self.action, observation)

    def _after_preparation(self, observation: Observation, now_s: float) -> Action:
        match self.action, observation:
            case actions.LookUpNumber(), actions.NumberFound(chat_id, phone):
                self.chat_id = self.looked_up_chat_id = chat_id
                moved = results.moved_result(self.command, phone)
                return actions.Finish(moved) if moved is not None else self._wait(now_s)
            case actions.LookUpNumber(), actions.NumberNotFound():
                return actions.Finish(Failed(error=Error("recipient_not_on_whatsapp")))
            case actions.LookUpNumber(), actions.NumberLookupFailed(detail):
                return self._not_sent(now_s, Error("lookup_failed", detail))
            case actions.FetchMedia(), actions.MediaFetched(content):
                self._fetched_content = content
                return self._wait(now_s)
            case actions.FetchMedia(), actions.MediaNotFetched(error):
                return self._not_sent(now_s, error)
            case actions.WaitUntilAllowed(), actions.Allowed():
                return actions.ConfirmOwnership()
            case (
                (actions.LookUpNumber() | actions.WaitUntilAllowed()),
                actions.Denied(error, until_s),
            ):
                return self._not_sent(now_s, error, until_s)
            case _:
                raise UnexpectedObservation(self.action, observation)

    # -- towards a submit

    def _wait(self, now_s: float) -> Action:
        """A message whose content cannot be read waits for nothing; one without its file waits for that first."""
        content = self._fetched_content or decode_content(self.command.content)
        if content is None:
            return self._not_sent(now_s, Error("internal_error", "the content cannot be read"))
        if content.get("url"):
            return actions.FetchMedia(content)
        self.content = content
        return actions.WaitUntilAllowed()

    def _claim_or_submit(self, link: str | None, claim: Claim | None, now_s: float) -> Action:
        """Rules 1 and 3: a submit needs a claim of this attempt under the session's link, in time."""
        if claim is not None and claim.receipt:
            return actions.Finish(Sent(at_s=now_s))
        if self._history.is_reconciled and link != self._history.lookup_link:
            return actions.Finish(results.in_doubt_result("linked again since the lookup"))
        if (missing := self._missing_claim(link, claim, now_s)) is not None:
            return actions.StoreClaim(missing)
        assert self._claim_stored is not None, "a claim that is not missing was stored"
        if not self._claim_stored.is_in_time(self.command):
            return self._not_sent(now_s, Error("deadline_exceeded"))
        self._history = self._history.after_submit(link)
        return actions.Submit(self.chat_id, self.content)

    def _missing_claim(self, link: str | None, claim: Claim | None, now_s: float) -> Claim | None:
        """The claim that must still be stored; None if this attempt has stored it already.

        One that an earlier process left says nothing about when: it is stored again.
        """
        new = claims.new_claim(self.command, claim, chat_id=self.chat_id, link=link, now_s=now_s)
        new = claims.remember_copy(new, may_have_arrived=self.may_have_arrived)
        if new == claim and self._claim_stored is not None:
            return None
        self._may_be_claimed = True
        return new

    # -- after a submit

    def _after_submit(self, observation: Observation, now_s: float) -> Action:
        match observation:
            case actions.SubmitAccepted(at_s):
                return actions.Finish(Sent(at_s=at_s))
            case actions.SubmitUncertain():
                return actions.LookUpMessage(self.chat_id)
            case actions.HeldBack(code, detail, until_s):
                return actions.Finish(results.held_back_result(error_for(code, detail), until_s))
            case actions.NotSubmitted(code, detail, until_s, is_too_late):
                error = refusals.error_before_submit(code, detail, is_too_late=is_too_late)
                return self._not_sent(now_s, error, until_s)
            case actions.NotBegun():
                self._history = self._history.without_last_submit()
                return actions.WaitUntilAllowed()
            case actions.SubmitRefused(server_code, detail):
                return self._after_refusal(server_code, detail, now_s)
            case _:
                raise UnexpectedObservation(self.action, observation)

    def _after_refusal(self, server_code: int, detail: str, now_s: float) -> Action:
        error = refusals.error_for_refusal(server_code, detail)
        self._is_refused = refusals.is_about_message(server_code)
        if is_about_account(error):
            return actions.RestrictAccount(error, self._history.link)
        return self._refused(now_s, error)

    def _after_message_lookup(self, observation: actions.MessageLookedUp, now_s: float) -> Action:
        assert observation.claim is not None, "the row of a message in doubt stays until its result"
        lookup, claim, link = observation.lookup, observation.claim, observation.link
        self._history = self._history.after_lookup(lookup, claim, link)
        decision = reconciliation.after_lookup(
            self.command, claim, lookup, link=link, submit_count=self.submit_count, now_s=now_s
        )
        match decision:
            case Conclude(result):
                self._is_found = True
                return actions.Finish(result)
            case RefusedLate(server_code):
                return self._after_refusal(server_code, "after the ack timeout", now_s)
            case AskToReconnect(result):
                return actions.Reconnect(result)
            case SubmitAgain():
                self._history = self._history.before_resubmit(link)
                return self._wait(now_s)

    def _not_sent(self, now_s: float, error: Error, until_s: float = 0.0) -> actions.Finish:
        return actions.Finish(self._history.not_sent_result(error, until_s, now_s))

    def _refused(self, now_s: float, error: Error, until_s: float = 0.0) -> actions.Finish:
        result = self._history.refused_result(error, until_s, now_s, is_refused=self._is_refused)
        return actions.Finish(result)
