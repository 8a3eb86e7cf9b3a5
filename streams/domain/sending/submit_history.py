"""What earlier submits of a message may have done, and what its result may therefore say. Pure.

nothing can have left      a refusal, or an error, is the whole truth: failed or deferred
a lookup has shown that    a passing error leaves the message in doubt, because the lookup grows old;
nothing had left           an error for good ends it: failed
it may have arrived, and   a passing error leaves it in doubt; an error for good ends it as unknown:
was submitted once more    "failed" would say that the recipient does not have it

A copy may have arrived if a store has shown the message, now or in an earlier attempt, or if it was claimed under
another link. A look-up that finds nothing does not disprove that. What is still in doubt after a further submit waits
longer and longer for the next one, whatever came of it.
"""

import msgspec
from msgspec.structs import replace

from streams.domain.errors import Error, ErrorClass
from streams.domain.phone.events import Deferred, Result
from streams.domain.sending import results
from streams.domain.sending.actions import Action, Finish
from streams.domain.sending.claim import Claim
from streams.domain.sending.reconciliation import InStore, StoreLookup, resubmit_delay_s

_NEVER_SENT = (ErrorClass.PERMANENT, ErrorClass.INVALID)  # no later submit can do better
_FOR_GOOD = (*_NEVER_SENT, ErrorClass.RESTRICTED)


class SubmitHistory(msgspec.Struct, frozen=True):
    """The submits of one message so far, as its attempt knows them."""

    is_first: bool = False  # nothing of this message can have left before this attempt
    submit_count: int = 0  # in this attempt
    link: str | None = None  # under which the last submit was made
    is_reconciled: bool = False  # a lookup has permitted one more submit
    lookup_link: str | None = None  # the only one under which that submit may follow
    claimed_at_s: float = 0.0  # when the doubt that was looked into began
    may_have_arrived: bool = False  # an earlier submit left the page, without an ack

    @property
    def may_have_left(self) -> bool:
        """Whether the page may have been given the message."""
        return bool(self.submit_count) or not self.is_first

    def after_submit(self, link: str | None) -> "SubmitHistory":
        """The page is given the message under this link."""
        return replace(self, submit_count=self.submit_count + 1, link=link)

    def without_last_submit(self) -> "SubmitHistory":
        """The page was given the message, and certainly did nothing with it."""
        return replace(self, submit_count=self.submit_count - 1)

    def after_lookup(self, lookup: StoreLookup, claim: Claim, link: str | None) -> "SubmitHistory":
        """The message was looked for under this link.

        What is in the store may have reached the server, unacked. One that failed may have, too: the page may fail
        after it has sent the message (source: WAWebSendMsgRecordAction).
        """
        is_other_link = link is not None and claim.link != link
        has_copy = isinstance(lookup, InStore) or claim.may_have_arrived or is_other_link
        return replace(
            self,
            link=claim.link,
            claimed_at_s=claim.claimed_at_s,
            may_have_arrived=self.may_have_arrived or has_copy,
        )

    def before_resubmit(self, link: str | None) -> "SubmitHistory":
        """The lookup permits one more submit under this link."""
        return replace(self, is_reconciled=True, lookup_link=link)

    @property
    def has_resubmitted(self) -> bool:
        """Whether the page was given the message after a lookup."""
        submits_before = (
            1 if self.is_first else 0
        )  # what an attempt begins with, unless it finds a claim
        return self.is_reconciled and self.submit_count > submits_before

    def not_sent_result(self, error: Error, until_s: float, now_s: float) -> Result:
        """The last submit was not made, or certainly sent nothing, for this reason."""
        is_for_good = error.error_class in _NEVER_SENT
        if self.is_reconciled and not is_for_good:
            return results.held_back_result(error, until_s)
        if self.may_have_arrived:
            return _unknown_result(error, now_s)
        return results.not_sent_result(error, until_s)

    def refused_result(
        self, error: Error, until_s: float, now_s: float, *, is_refused: bool
    ) -> Result:
        """The server refused the last submit. `is_refused`: the message itself, not the account's pace."""
        if self.may_have_arrived and error.error_class in _FOR_GOOD:
            return _unknown_result(error, now_s)
        make_result = results.held_back_result if self.may_have_arrived else results.not_sent_result
        result = make_result(error, until_s)
        return replace(result, is_refused=is_refused) if isinstance(result, Deferred) else result

    def delay(self, action: Action, now_s: float) -> Action:
        """The action; a result in doubt names the time before which another submit is not worth it."""
        if not (isinstance(action, Finish) and self.has_resubmitted):
            return action
        result = action.result
        if not isinstance(result, Deferred) or not result.in_doubt or result.until_s:
            return action
        delay_s = resubmit_delay_s(self.claimed_at_s, now_s)
        return Finish(replace(result, until_s=now_s + delay_s))


def _unknown_result(error: Error, now_s: float) -> Result:
    detail = f"an earlier submit may have arrived; the last one: {error.code}: {error.detail}"
    return results.unknown_result(detail, now_s)
