"""WhatsApp as an attempt meets it: the stores of its links, what is pending in the page, what arrived. For
test_attempt_properties.py; nothing of the program is driven here.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from streams.domain.phone.events import ReceiptKind
from streams.domain.sending import actions, reconciliation
from streams.domain.sending import claim as claims
from streams.domain.sending.actions import Observation
from streams.domain.sending.claim import Claim
from streams.domain.sending.reconciliation import InStore, LookupUnavailable, NotInStore
from streams.domain.sending.refusals import LOST_CODE


class WhatsAppModel(RuleBasedStateMachine):
    """`stores` is the store of each link. It is truthful, as WhatsApp's is: a message that was handed over
    is in it, with its ack. A message with ack 0 is pending in the page that has sent it, and is sent by no
    later page. The server's ack may come late, or never, and the phone's receipts in any order. The recipient
    drops a repeat of one link, because it has the same id; so `arrived_links` must stay within what is
    permitted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.link = 1
        self.row: Claim | None = None
        self.stores: dict[int, int] = {}
        self.late_code: int | None = None  # of a refusal that no look-up has reported
        self.was_refused = False  # by the server, the last time
        self.is_pending = False  # in the page of now, for the store of this link
        self.arrived_links: set[int] = set()
        self.permitted = 1  # one message, and one more each time a person allows a duplicate
        self.is_looked_up_since_submit = True
        self.uncertain_links: set[int] = set()  # under which it may have left

    @rule(by_s=st.sampled_from([1.0, 30.0]))
    def time_passes(self, by_s: float) -> None:
        """Nothing happens for a while."""
        self.now_s += by_s

    @rule(is_store_kept=st.booleans())
    def link_again(self, *, is_store_kept: bool) -> None:
        """A person links the account again: its store begins empty, unless the logout was cut off."""
        if is_store_kept and self.link in self.stores:
            self.stores[self.link + 1] = self.stores[self.link]
        self.link += 1
        self.is_pending, self.late_code = False, None

    @rule()
    def reload(self) -> None:
        """Another page sends nothing of what was pending, and of a refusal it knows only that there was one."""
        was_refused = self.stores.get(self.link) == -1
        self.is_pending, self.late_code = False, LOST_CODE if was_refused else None

    @precondition(lambda self: self.row is not None and self.row.may_have_arrived)
    @rule()
    def empty_store(self) -> None:
        """What a store has shown, and a row has noted, need not be there for ever."""
        self.stores.pop(self.link, None)
        self.is_pending = False

    @precondition(lambda self: self.is_pending)
    @rule(is_acked=st.booleans())
    def send_pending(self, *, is_acked: bool) -> None:
        """The page connects again, and sends what is pending; the ack may be lost once more."""
        self._arrive()
        if is_acked:
            self.stores[self.link], self.is_pending = 1, False

    @precondition(lambda self: self.is_pending)
    @rule(code=st.sampled_from([500, 463, 429, 404]))
    def refuse_pending(self, code: int) -> None:
        """The server's refusal comes after the submit has given up."""
        self.stores[self.link], self.is_pending = -1, False
        self.late_code, self.was_refused = code, True

    @precondition(lambda self: self.arrived_links)
    @rule(kind=st.sampled_from(["sent", "delivered", "read", "played"]))
    def give_receipt(self, kind: ReceiptKind) -> None:
        """A late ack or a receipt is seen: at any time, in any order, and repeated."""
        if self.row is not None:
            self.row = claims.with_receipt(self.row, kind) or self.row

    def _arrive(self) -> None:
        self.arrived_links.add(self.link)
        assert len(self.arrived_links) <= self.permitted, "the recipient got it twice"

    def _reconnect(self, data: st.DataObject) -> Observation:
        if self.is_pending:
            self.send_pending(is_acked=data.draw(st.booleans(), label="acked"))
        self._may_get_receipt(data)
        return actions.Reconnected()

    def _may_get_receipt(self, data: st.DataObject) -> None:
        if self.arrived_links and data.draw(st.sampled_from([False] * 4 + [True]), label="receipt"):
            self.give_receipt("sent")

    def _may_link_again(self, data: st.DataObject) -> None:
        if data.draw(st.sampled_from([False] * 7 + [True]), label="linked again"):
            self.link_again(is_store_kept=data.draw(st.booleans(), label="store kept"))

    def _look_up(self, data: st.DataObject) -> reconciliation.StoreLookup:
        if data.draw(st.sampled_from([False, False, False, True]), label="lookup fails"):
            return LookupUnavailable("the page is gone")
        self.is_looked_up_since_submit = True
        ack = self.stores.get(self.link)
        if ack is None:
            self.uncertain_links.discard(self.link)
        code, self.late_code = self.late_code, None
        if ack is None or ack >= 0:
            code = None
        return NotInStore() if ack is None else InStore(ack, self.is_pending, code)
