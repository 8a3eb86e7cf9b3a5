"""What the fake driver's WhatsApp has: the page's store of one link, and what the recipients' phones show.

No session and no calls: fake_driver.py decides when something is stored, sent or acked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streams.domain.sending.refusals import LOST_CODE
from streams.whatsapp.driver import MessageFound, Submission


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that reached WhatsApp's server."""

    whatsapp_id: str
    chat_id: str
    content: Mapping[str, object]
    at_s: float


class FakeStore:
    """The messages of one account. A phone shows a repeated id once, as the real ones do."""

    def __init__(self) -> None:
        self.shown: list[SentMessage] = []  # oldest first
        self.sent_again: list[str] = []  # ids that reached the server once more
        self._acks: dict[str, int] = {}
        self._refused: set[str] = set()  # by the server
        self._late_codes: dict[str, int] = {}
        self._refused_before: set[str] = set()  # in an earlier page, until a look-up has said so
        self._pending: dict[str, Submission] = {}  # the page sends them again at each connect

    def find(self, whatsapp_id: str) -> MessageFound | None:
        """What the page's store has of this id."""
        if whatsapp_id not in self._acks:
            return None
        return MessageFound(self._acks[whatsapp_id], is_pending=whatsapp_id in self._pending)

    def refuse_pending(self, server_code: int) -> list[str]:
        """The server refuses what is pending, and no submit waits for its answer any more. Returns the ids."""
        refused = self.take_pending()
        for submission in refused:
            self.refuse(submission.whatsapp_id)
            self._late_codes[submission.whatsapp_id] = server_code
        return [submission.whatsapp_id for submission in refused]

    def refuse(self, whatsapp_id: str) -> None:
        """The server has refused it."""
        self.set_ack(whatsapp_id, -1)
        self._refused.add(whatsapp_id)

    def change_page(self) -> None:
        """A new page sends nothing of what was pending, and does not know which refusals were read."""
        self._pending.clear()
        self._late_codes.clear()
        self._refused_before = {each for each in self._refused if self._acks.get(each) == -1}

    def look_up(self, whatsapp_id: str) -> MessageFound | None:
        """What a look-up finds: as `find`, and once the code of a late refusal."""
        found, code = self.find(whatsapp_id), self._late_codes.pop(whatsapp_id, None)
        if whatsapp_id in self._refused_before:
            code = LOST_CODE
            self._refused_before.clear()
        return found if found is None or found.ack >= 0 else replace(found, server_code=code)

    def set_ack(self, whatsapp_id: str, ack: int) -> None:
        """The message has this ack and is not pending."""
        self._acks[whatsapp_id] = ack
        self._pending.pop(whatsapp_id, None)
        self._refused.discard(whatsapp_id)
        self._refused_before.discard(whatsapp_id)

    def raise_ack(self, whatsapp_id: str, ack: int) -> None:
        """A receipt: an ack never falls."""
        if ack > self._acks.get(whatsapp_id, ack):
            self.set_ack(whatsapp_id, ack)

    def hold(self, submission: Submission) -> None:
        """The message is pending."""
        self._acks[submission.whatsapp_id] = 0
        self._pending[submission.whatsapp_id] = submission

    def receive(self, submission: Submission, now_s: float) -> None:
        """The message reaches the server."""
        whatsapp_id, chat_id = submission.whatsapp_id, submission.chat_id
        if any(message.whatsapp_id == whatsapp_id for message in self.shown):
            self.sent_again.append(whatsapp_id)
        else:
            self.shown.append(SentMessage(whatsapp_id, chat_id, submission.content, now_s))

    def take_pending(self) -> list[Submission]:
        """The pending messages, which are not pending any more."""
        pending, self._pending = list(self._pending.values()), {}
        return pending

    def clear(self) -> None:
        """A new link: nothing of the old one is in the store. The phones still show what they got."""
        self._acks.clear()
        self._refused.clear()
        self.change_page()
