"""The world as the facts have made it: numbers, accounts, messages. Pure: no clock, file or socket.

`apply` is the only way to change it, so a world read back from its journal is the world that was.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from streams.sandbox.state.events import (
    AnyEvent,
    Inbound,
    InboundConfirmed,
    Linked,
    Message,
    MessageRefused,
    MessagesRead,
    NumberLookup,
    NumbersChanged,
    ReceiptConfirmed,
    Unlinked,
)

SENT: Final = 1
DELIVERED: Final = 2
READ: Final = 3


class UnknownAccount(LookupError):
    """No account of this phone was ever linked."""


@dataclass(slots=True)
class ShownMessage:
    """A message on a recipient's phone: how far it got, and how far the sender's page was told."""

    message: Message
    acked: bool
    ack: int = SENT
    confirmed_ack: int = SENT


@dataclass(slots=True)
class Account:
    """A phone with WhatsApp that has, or had, linked devices (noise keys)."""

    phone: str
    devices: set[str] = field(default_factory=set)
    unconfirmed: dict[tuple[str, str], ShownMessage] = field(default_factory=dict)
    unread: dict[str, list[ShownMessage]] = field(default_factory=lambda: defaultdict(list))
    inbox: dict[str, Inbound] = field(default_factory=dict)


class World:
    """Everything that is known of a WhatsApp that began empty."""

    def __init__(self) -> None:
        self._events: list[AnyEvent] = []
        self.accounts: dict[str, Account] = {}
        self._messages: list[Message] = []
        self._shown_messages: dict[tuple[str, str], ShownMessage] = {}
        self._phones_by_device: dict[str, str] = {}
        self._numbers: dict[str, NumberLookup] = {}
        self._phones_by_chat_id: dict[str, str] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            Linked: self._apply_linked,
            Unlinked: self._apply_unlinked,
            NumbersChanged: self._apply_numbers,
            Message: self._apply_message,
            MessageRefused: lambda _: None,
            MessagesRead: self._apply_read,
            ReceiptConfirmed: self._apply_receipt_confirmed,
            Inbound: self._apply_inbound,
            InboundConfirmed: self._apply_inbound_confirmed,
        }

    # -- what is known

    @property
    def last_seq(self) -> int:
        """The number of facts so far."""
        return len(self._events)

    def messages_after(self, after_seq: int) -> list[Message]:
        """Every message with a `seq` greater than `after`, in order."""
        return self._messages[bisect_right(self._messages, after_seq, key=lambda one: one.seq) :]

    def events_after(self, after_seq: int) -> list[AnyEvent]:
        """Every fact with a `seq` greater than `after`, in order."""
        return self._events[after_seq:]

    def get_account(self, phone: str) -> Account:
        """Raises UnknownAccount."""
        try:
            return self.accounts[phone]
        except KeyError:
            raise UnknownAccount(f"no account {phone} was ever linked here") from None

    def phone_of_device(self, noise: str) -> str | None:
        """The account that the device is linked to."""
        return self._phones_by_device.get(noise)

    def is_on_whatsapp(self, phone: str) -> bool:
        """Whether the number is on WhatsApp: all are, unless somebody said otherwise."""
        return self._numbers.get(phone, NumberLookup()).on_whatsapp

    def chat_id_of_phone(self, phone: str) -> str:
        """What WhatsApp calls the number."""
        return self._numbers.get(phone, NumberLookup()).chat_id or f"{phone.removeprefix('+')}@c.us"

    def phone_of_chat_id(self, chat_id: str) -> str:
        """The number that WhatsApp calls so."""
        return self._phones_by_chat_id.get(chat_id) or "+" + chat_id.partition("@")[0]

    def find_message(self, to: str, whatsapp_id: str) -> ShownMessage | None:
        """The message of this id on the recipient's phone."""
        return self._shown_messages.get((to, whatsapp_id))

    # -- what happens

    def apply(self, event: AnyEvent) -> None:
        """Take note of what has happened."""
        self._events.append(event)
        self._handlers[type(event)](event)

    def _apply_linked(self, event: Linked) -> None:
        account = self.accounts.setdefault(event.phone, Account(event.phone))
        account.devices.add(event.noise)
        self._phones_by_device[event.noise] = event.phone

    def _apply_unlinked(self, event: Unlinked) -> None:
        phone = self._phones_by_device.pop(event.noise)
        self.accounts[phone].devices.discard(event.noise)

    def _apply_numbers(self, event: NumbersChanged) -> None:
        self._numbers |= event.numbers
        for phone, number in event.numbers.items():
            if number.chat_id:
                self._phones_by_chat_id[number.chat_id] = phone

    def _apply_message(self, event: Message) -> None:
        self._messages.append(event)
        if not event.shown:
            self._shown_messages[event.to, event.whatsapp_id].acked |= event.acked
            return
        shown = self._shown_messages[event.to, event.whatsapp_id] = ShownMessage(event, event.acked)
        account = self.get_account(event.from_)
        account.unconfirmed[event.to, event.whatsapp_id] = shown
        account.unread[event.to].append(shown)

    def _apply_read(self, event: MessagesRead) -> None:
        account = self.get_account(event.to)
        for shown in account.unread.pop(event.by, []):
            shown.ack = READ
            account.unconfirmed[event.by, shown.message.whatsapp_id] = shown

    def _apply_receipt_confirmed(self, event: ReceiptConfirmed) -> None:
        shown = self._shown_messages[event.to, event.whatsapp_id]
        shown.confirmed_ack = max(shown.confirmed_ack, event.ack)
        shown.ack = max(shown.ack, event.ack)
        if shown.confirmed_ack == shown.ack:
            self.get_account(shown.message.from_).unconfirmed.pop(
                (event.to, event.whatsapp_id), None
            )

    def _apply_inbound(self, event: Inbound) -> None:
        self.get_account(event.to).inbox[event.whatsapp_id] = event

    def _apply_inbound_confirmed(self, event: InboundConfirmed) -> None:
        for account in self.accounts.values():
            account.inbox.pop(event.whatsapp_id, None)
