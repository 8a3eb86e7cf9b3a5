"""Restricts the account once for each refusal, whoever reports it first. Submits nothing and decides nothing.

Up to three report one refusal: the submit or the look-up of the message, and the page itself, at once, if no submit
waits any more. Between two submits of a message the server refuses it at most once, so a second report is of the
same refusal: pauses would grow with it, and it would undo what a person has resumed meanwhile.
"""

from typing import Final

from streams.domain.accounts.restriction import Restriction, is_about_account
from streams.domain.errors import Error
from streams.domain.sending.refusals import error_for_refusal
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.sender.restrictions import RestrictionStore
from streams.whatsapp.driver import LateRefusal

MAX_IDS: Final = 10_000


class RefusalCounter:
    """Which refused messages have restricted the account since their last submit. Ends with the ownership: the
    next one has another page, which tells no code (domain/sending/refusals.py).
    """

    def __init__(
        self, restrictions: RestrictionStore, claim_store: ClaimStore, clock: Clock
    ) -> None:
        self._restrictions = restrictions
        self._claim_store = claim_store
        self._clock = clock
        self._counted: dict[str, str] = {}  # the code of the restriction, by WhatsApp id

    def begin_submit(self, whatsapp_id: str) -> None:
        """The message is submitted: a refusal from now on is another one."""
        self._counted.pop(whatsapp_id, None)

    async def restrict(self, whatsapp_id: str, error: Error, link: str | None) -> Restriction:
        """The restriction that this refusal of this message has begun, or begins now; durable when this returns."""
        code = self._counted.get(whatsapp_id)
        if code is not None:
            return await self._restrictions.confirm(code)
        if len(self._counted) >= MAX_IDS:
            del self._counted[next(iter(self._counted))]
        self._counted[whatsapp_id] = error.code  # before anything is awaited
        return await self._restrictions.restrict(error, link, self._clock.now_s())

    async def restrict_late(self, refusal: LateRefusal, link: str | None) -> None:
        """The same for what the page reports by itself, if it concerns the account.

        What becomes of the message is decided after its look-up. `link`: of the session, if the message has no claim.
        """
        error = error_for_refusal(refusal.server_code, "after the ack timeout")
        if is_about_account(error):
            claim = self._claim_store.get(refusal.whatsapp_id)
            await self.restrict(refusal.whatsapp_id, error, claim.link if claim else link)
