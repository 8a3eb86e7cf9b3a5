"""At most one message arrives, whatever happens to its sender: a second one is the program's worst failure.

The machine drives `Attempt`, the class that the sender runs. Between any two actions the process may
crash, close, or fail in itself; what is durable stays, and the command is delivered again.
"""

from collections.abc import Mapping

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent
from streams.domain.sending import actions, reconciliation
from streams.domain.sending import claim as claims
from streams.domain.sending.actions import Observation
from streams.domain.sending.attempt import Attempt
from streams.domain.sending.command import SendCommand
from streams.domain.sending.resolved import NOTHING_RESOLVED, Resolved
from tests.domain.sending.attempts import (
    CHAT,
    FILE_CONTENT,
    NOTHING_SUBMITTED,
    NUMBER_OBSERVATIONS,
    URL_CONTENT,
    ProcessEnded,
)
from tests.domain.sending.whatsapp_model import WhatsAppModel

PHONE = "+60123456789"


class MessageMachine(WhatsAppModel):
    """One message under a dispatcher, a person, a page and crashes that do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.claim_stored = actions.ClaimStored(0.0)
        self.content: dict[str, object] | None = None  # the same in every dispatch
        self.is_file_gone = False  # for good
        self.commands: list[SendCommand] = []
        self.steps_left = 0
        self.ending = "crash"
        self.acknowledged_count = 0  # of the commands: these are not delivered again
        self.results: dict[int, Result] = {}  # the first one that was published for each dispatch
        self.last_result: Result | None = Deferred(error=Error("disconnected"))

    # -- the dispatcher and a person

    @precondition(lambda self: isinstance(self.last_result, Deferred | Failed))
    @rule(data=st.data(), timeout_s=st.sampled_from([1.0, 20.0, 60.0]))
    def dispatch(self, data: st.DataObject, timeout_s: float) -> None:
        """The message is dispatched, or dispatched again. The first time, it may have been sent again by a person
        already, after it ended without a row: one message may arrive.
        """
        if self.commands:
            allow_duplicate = self.commands[-1].allow_duplicate
        else:
            allow_duplicate = data.draw(st.sampled_from([False] * 3 + [True]), label="permission")
        self._dispatch(data, timeout_s, allow_duplicate=allow_duplicate)

    @precondition(lambda self: isinstance(self.last_result, OutcomeUnknown))
    @rule(data=st.data())
    def allow_duplicate(self, data: st.DataObject) -> None:
        """A person takes the risk of a second message."""
        self.permitted += 1
        self._dispatch(data, 20.0, allow_duplicate=True)

    @precondition(lambda self: self.row is not None and self._is_in_doubt())
    @rule()
    def lose_row(self) -> None:
        """The claim of a message in doubt is gone: its time was over, or the topic of the claims was deleted."""
        self.row = None
        self.acknowledged_count = len(self.commands)

    @precondition(lambda self: len(self.commands) > self.acknowledged_count)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        """A record of the send topic that was not acknowledged is delivered again."""
        self._handle(data.draw(st.sampled_from(self.commands[self.acknowledged_count :])), data)

    def _is_in_doubt(self) -> bool:
        """Whether the dispatcher knows that an attempt may have sent it."""
        return isinstance(self.last_result, Deferred) and self.last_result.in_doubt

    def _dispatch(self, data: st.DataObject, timeout_s: float, *, allow_duplicate: bool) -> None:
        if self.content is None:
            self.content = data.draw(st.sampled_from([{"type": "text"}] * 3 + [URL_CONTENT]))
        command = SendCommand(
            phone=PHONE,
            id="m1",
            dispatch_number=len(self.commands) + 1,
            account="main",
            appended_at_s=self.now_s,
            timeout_s=timeout_s,
            content=msgspec.json.encode(self.content),
            chat_id=data.draw(st.sampled_from([CHAT, None]), label="chat id"),
            allow_duplicate=allow_duplicate,
            generation=self.permitted,
            was_claimed=self._is_in_doubt(),
        )
        self.commands.append(command)
        self.last_result = None
        self._handle(command, data)

    # -- the sender

    def _handle(self, command: SendCommand, data: st.DataObject) -> None:
        self.steps_left = data.draw(
            st.sampled_from([99] * 15 + [*range(1, 16)]), label="steps left"
        )
        self.ending = data.draw(st.sampled_from(["crash", "close", "bug"]), label="ending")
        attempt = Attempt(command, self.row, self.now_s)
        try:
            self._run(attempt, data)
        except ProcessEnded:
            if self.ending == "close" and attempt.is_withdrawable:
                self.row = claims.withdrawn_claim(command, attempt.claim_at_start, self.now_s)
            return
        assert attempt.result is not None
        # One that came during the attempt is on the phone log before the outcome, and wins there.
        had_receipt = attempt.claim_at_start is not None and attempt.claim_at_start.receipt != ""
        self._check_result(command, attempt.result, had_receipt=had_receipt)

    def _check_result(self, command: SendCommand, result: Result, *, had_receipt: bool) -> None:
        is_latest = command.dispatch_number == len(self.commands)
        first = self.results.setdefault(command.dispatch_number, result)
        is_final = not (isinstance(first, Deferred) and first.in_doubt)
        if is_final and is_latest:
            is_proved = isinstance(result, Sent) and self.row is not None and self.row.receipt
            assert result == first or is_proved, "a replayed dispatch got another result"
            self.results[command.dispatch_number] = result
        if had_receipt:
            assert isinstance(result, Sent), "a receipt had proved that it was sent"
        if isinstance(result, Sent):
            assert self.arrived_links, "nothing was sent"
        if isinstance(result, OutcomeUnknown) and is_latest:
            assert self.link > 1 or self.was_refused or self.is_file_gone, (
                "nothing makes the outcome unknown"
            )
        if isinstance(result, Failed):
            assert not self.arrived_links, "the recipient has a message that has failed"
        if isinstance(result, Deferred) and not result.in_doubt and is_latest:
            assert not self.arrived_links, (
                "the recipient has a message that another account may get"
            )
        if is_latest:
            self.last_result = result

    def _run(self, attempt: Attempt, data: st.DataObject) -> None:
        while attempt.result is None:
            self._take_step(attempt)
            observation = None if attempt.result else self._execute(attempt, data)
            self._take_step(attempt)
            if attempt.result is None and observation is not None:
                attempt.observe(observation, self.now_s)
        self.row = (
            claims.concluded_claim(
                attempt.command,
                self.row,
                attempt.result,
                self.now_s,
                may_have_arrived=attempt.may_have_arrived,
            )
            or self.row
        )
        self._take_step(attempt)

    def _take_step(self, attempt: Attempt) -> None:
        self.steps_left -= 1
        if self.steps_left == 0 and self.ending != "bug":
            raise ProcessEnded
        if self.steps_left == 0:
            attempt.fail("a bug")

    def _execute(self, attempt: Attempt, data: st.DataObject) -> Observation:
        match attempt.action:
            case actions.LookUpNumber():
                return data.draw(st.sampled_from(NUMBER_OBSERVATIONS[:1] * 8 + NUMBER_OBSERVATIONS))
            case actions.FetchMedia(content):
                return self._fetch(attempt, content, data)
            case actions.WaitUntilAllowed():
                return self._wait(attempt, data)
            case actions.StoreClaim() | actions.ConfirmOwnership():
                return self._claim(attempt.action, data)
            case actions.Submit():
                return self._submit(attempt, data)
            case actions.Reconnect():
                return self._reconnect(data)
            case actions.LookUpMessage():
                self._may_get_receipt(data)
                return actions.MessageLookedUp(self._look_up(data), str(self.link), self.row)
            case actions.RestrictAccount():
                return actions.AccountRestricted()
            case actions.Finish():
                raise AssertionError("nothing is executed after the result")

    def _claim(
        self, action: actions.StoreClaim | actions.ConfirmOwnership, data: st.DataObject
    ) -> Observation:
        if isinstance(action, actions.ConfirmOwnership):
            return actions.OwnershipConfirmed(str(self.link), self.row)
        self.row = action.claim
        claim_stored = self._append_claim(data)
        self._may_link_again(data)
        self.now_s += data.draw(st.sampled_from([0.0, 0.0, 5.0]), label="response")
        return claim_stored

    def _fetch(
        self, attempt: Attempt, content: Mapping[str, object], data: st.DataObject
    ) -> Observation:
        assert content == URL_CONTENT
        assert not attempt.is_withdrawable, "claimed before its file was on disk"
        assert attempt.claim_ahead(str(self.link), self.row, self.now_s) is None
        self.now_s += data.draw(st.sampled_from([0.0, 0.0, 5.0, 30.0]), label="download")
        self._may_link_again(data)
        self._may_get_receipt(data)
        code = data.draw(
            st.sampled_from([""] * 9 + ["media_pending", "media_fetch_failed", "media_rejected"])
        )
        self.is_file_gone = self.is_file_gone or code == "media_rejected"
        return actions.MediaNotFetched(Error(code)) if code else actions.MediaFetched(FILE_CONTENT)

    def _wait(self, attempt: Attempt, data: st.DataObject) -> Observation:
        if data.draw(st.booleans(), label="claim ahead"):
            claim = attempt.claim_ahead(str(self.link), self.row, self.now_s)
            if claim is not None:
                self.row, claim_stored = claim, self._append_claim(data)
                self._take_step(attempt)
                attempt.claimed_ahead(claim_stored)
        self.now_s += data.draw(st.sampled_from([0.0, 0.0, 5.0]), label="wait")
        self._may_link_again(data)
        self._may_get_receipt(data)
        denied = actions.Denied(Error("account_daily_cap"), self.now_s + 60)
        allowed = actions.Allowed()
        return data.draw(st.sampled_from([allowed] * 7 + [denied]))

    def _append_claim(self, data: st.DataObject) -> actions.ClaimStored:
        resolved = data.draw(st.sampled_from([NOTHING_RESOLVED] * 7 + [Resolved(1)]))
        self.claim_stored = actions.ClaimStored(self.now_s, resolved)
        return self.claim_stored

    def _submit(self, attempt: Attempt, data: st.DataObject) -> Observation:
        command = attempt.command
        assert isinstance(attempt.action, actions.Submit)
        assert "url" not in attempt.action.content, "submitted without its file"
        assert attempt.submit_count <= reconciliation.MAX_SUBMITS
        assert self.row is not None
        row, number = self.row, command.dispatch_number
        assert (row.is_open, row.dispatch_number) == (True, number), "submitted without a claim"
        assert (row.chat_id, row.link) == (CHAT, str(self.link)), "submitted under another claim"
        assert self.claim_stored.appended_at_s < command.deadline_s, "submitted under a late claim"
        assert self.claim_stored.resolved is NOTHING_RESOLVED, "submitted behind a barrier"
        if self.now_s >= command.deadline_s:  # the page's deadline has passed
            return actions.NotSubmitted("timeout_before_submit", is_too_late=True)
        assert self.is_looked_up_since_submit, "submitted twice without a lookup in between"
        assert self.stores.get(self.link, -1) <= 0, "given to WhatsApp although it has it"
        assert not self.is_pending, "given to the page although it sends it by itself"
        assert not self.row.receipt, "given to WhatsApp although a receipt had come"
        assert self.permitted > 1 or self.uncertain_links <= {self.link}, (
            "given to WhatsApp under another link, although it may have left under the first"
        )
        self.is_looked_up_since_submit = False
        self.was_refused, self.late_code = False, None
        match data.draw(
            st.sampled_from(["acked", "no", "refused", "lost", "left", "slow", "died"])
        ):
            case "acked":
                self.stores[self.link] = 1
                self._arrive()
                return actions.SubmitAccepted(self.now_s)
            case "no":
                self.is_looked_up_since_submit = True
                return data.draw(st.sampled_from(NOTHING_SUBMITTED))
            case "refused":
                self.stores[self.link] = -1
                self.is_looked_up_since_submit = self.was_refused = True
                return actions.SubmitRefused(data.draw(st.sampled_from([500, 463])))
            case "lost":  # it arrived, and the page was lost before it could say so
                self.stores[self.link] = 1
                self._arrive()
            case "left":  # the page was lost; its successor finds ack 0, whether it arrived or not
                self.stores[self.link] = 0
                if data.draw(st.booleans(), label="arrived"):
                    self._arrive()
            case "slow":  # no ack came in time
                self.stores[self.link], self.is_pending = 0, True
                if data.draw(st.booleans(), label="arrived"):
                    self._arrive()
            case _:
                pass
        self.uncertain_links.add(self.link)
        return actions.SubmitUncertain()


MessageMachine.TestCase.settings = settings(max_examples=400, stateful_step_count=30, deadline=None)
test_a_message = MessageMachine.TestCase
