"""The world that results from the events: numbers, accounts, messages. Pure: no clock, file or socket.

Only `apply` may change it, so a world that is read from its journal equals the world that wrote it.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from streams.sandbox.state.events import (
    AnyEvent,
    ChatStateChanged,
    GroupChanged,
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
from streams.whatsapp.driver import AckLevel


class UnknownAccount(LookupError):
    """No device was ever linked to this phone."""


@dataclass(frozen=True, slots=True)
class UserIds:
    """The two ids of a phone's owner: the phone number, and the LID, which hides it."""

    pn: str
    lid: str

    @classmethod
    def of_phone(cls, phone: str) -> "UserIds":
        """Any one-to-one function will do for the LID."""
        digits = phone.removeprefix("+")
        return cls(pn=f"{digits}@c.us", lid=f"7{digits[::-1]}@lid")

    @staticmethod
    def parse_phone(user_id: str) -> str:
        """The phone that one of these ids is of."""
        user, _, server = user_id.partition("@")
        return "+" + (user[:0:-1] if server == "lid" else user)


@dataclass(slots=True)
class ShownMessage:
    """A message on a recipient's phone: its ack level, and the level that the sender's page has confirmed."""

    message: Message
    acked: bool
    ack: int = AckLevel.SERVER
    confirmed_ack: int = AckLevel.SERVER
    readers: set[str] = field(default_factory=set)  # of a message to a group
    confirmed_members: set[tuple[str, int]] = field(default_factory=set)


@dataclass(slots=True)
class Account:
    """A phone with WhatsApp that has or had linked devices: their numbers, by noise key. No number is used twice."""

    phone: str
    devices: dict[str, int] = field(default_factory=dict)
    last_device: int = 0
    unconfirmed: dict[tuple[str, str], ShownMessage] = field(default_factory=dict)
    unread: dict[str, list[ShownMessage]] = field(default_factory=lambda: defaultdict(list))
    inbox: dict[str, Inbound] = field(default_factory=dict)
    correspondents: set[str] = field(default_factory=set)  # the phones that have written to it


class World:
    """The state of a WhatsApp that began empty."""

    def __init__(self) -> None:
        self._events: list[AnyEvent] = []
        self.accounts: dict[str, Account] = {}
        self._messages: list[Message] = []
        self._shown_messages: dict[tuple[str, str], ShownMessage] = {}
        self._phones_by_device: dict[str, str] = {}
        self._numbers: dict[str, NumberLookup] = {}
        self._phones_by_chat_id: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self.groups: dict[str, GroupChanged] = {}  # as they are now
        self._former_members: defaultdict[str, set[str]] = defaultdict(set)
        self._handlers: dict[type, Callable[[Any], None]] = {
            Linked: self._apply_linked,
            Unlinked: self._apply_unlinked,
            NumbersChanged: self._apply_numbers,
            GroupChanged: self._apply_group,
            Message: self._apply_message,
            MessageRefused: lambda _: None,
            MessagesRead: self._apply_read,
            ReceiptConfirmed: self._apply_receipt_confirmed,
            Inbound: self._apply_inbound,
            InboundConfirmed: self._apply_inbound_confirmed,
            ChatStateChanged: lambda _: None,
        }

    # -- reading

    @property
    def last_seq(self) -> int:
        """The number of events so far."""
        return len(self._events)

    def messages_after(self, after_seq: int) -> list[Message]:
        """Every message with a `seq` greater than `after_seq`, in order."""
        return self._messages[
            bisect_right(self._messages, after_seq, key=lambda message: message.seq) :
        ]

    def events_after(self, after_seq: int) -> list[AnyEvent]:
        """Every event with a `seq` greater than `after_seq`, in order."""
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
        """Whether the number is on WhatsApp. All numbers are, unless `/numbers` has set otherwise."""
        return self._numbers.get(phone, NumberLookup()).on_whatsapp

    def ids_of_phone(self, phone: str) -> "UserIds":
        """Both ids of the chat of this number. `/numbers` may have set one of them, also for several numbers.

        With a chat id that has another number in it, that number is WhatsApp's own for the chat.
        """
        chat_id = self._numbers.get(phone, NumberLookup()).chat_id
        if chat_id is None:
            return UserIds.of_phone(phone)
        ids = UserIds.of_phone(self._phones_by_chat_id[chat_id])
        return replace(ids, lid=chat_id) if chat_id.endswith("@lid") else replace(ids, pn=chat_id)

    def phone_of_chat_id(self, chat_id: str) -> str:
        """The number of the chat, from either id of its owner. A group stays what it is."""
        if chat_id.endswith("@g.us"):
            return chat_id
        return self._phones_by_chat_id.get(chat_id) or UserIds.parse_phone(chat_id)

    def former_members(self, group_id: str) -> set[str]:
        """Whoever has left the group."""
        return self._former_members[group_id]

    def find_message(self, to: str, whatsapp_id: str) -> ShownMessage | None:
        """The message with this id on the recipient's phone."""
        return self._shown_messages.get((to, whatsapp_id))

    def find_file(self, whatsapp_id: str) -> str | None:
        """The file of a message to an account, in base64."""
        return self._files.get(whatsapp_id)

    # -- applying events

    def apply(self, event: AnyEvent) -> None:
        """Apply the event."""
        self._events.append(event)
        self._handlers[type(event)](event)

    def _apply_linked(self, event: Linked) -> None:
        account = self.accounts.setdefault(event.phone, Account(event.phone))
        account.last_device += 1
        account.devices[event.noise] = account.last_device
        self._phones_by_device[event.noise] = event.phone

    def _apply_unlinked(self, event: Unlinked) -> None:
        phone = self._phones_by_device.pop(event.noise)
        self.accounts[phone].devices.pop(event.noise, None)

    def _apply_numbers(self, event: NumbersChanged) -> None:
        self._numbers |= event.numbers
        self._phones_by_chat_id = {}
        for phone, number in self._numbers.items():
            if number.chat_id:
                self._phones_by_chat_id.setdefault(number.chat_id, phone)

    def _apply_group(self, event: GroupChanged) -> None:
        previous = self.groups.get(event.id)
        if previous is not None:
            self._former_members[event.id] |= set(previous.members)
        self.groups[event.id] = event

    def _apply_message(self, event: Message) -> None:
        self._messages.append(event)
        if not event.shown:
            self._shown_messages[event.to, event.whatsapp_id].acked |= event.acked
            return
        shown = self._shown_messages[event.to, event.whatsapp_id] = ShownMessage(event, event.acked)
        account = self.get_account(event.from_)
        if event.to == event.from_:
            return  # the ack of a message to oneself says that it is read
        account.unconfirmed[event.to, event.whatsapp_id] = shown
        account.unread[event.to].append(shown)

    def _apply_read(self, event: MessagesRead) -> None:
        account = self.get_account(event.to)
        if event.group is not None:
            for shown in account.unread.get(event.group, []):
                shown.readers.add(event.by)
            return
        for shown in account.unread.pop(event.by, []):
            shown.ack = AckLevel.READ
            account.unconfirmed[event.by, shown.message.whatsapp_id] = shown

    def _apply_receipt_confirmed(self, event: ReceiptConfirmed) -> None:
        shown = self._shown_messages[event.to, event.whatsapp_id]
        if event.participant is not None:
            shown.confirmed_members.add((event.participant, event.ack))
            others = len(self.groups[event.to].members) - 1
            if sum(ack == AckLevel.READ for _, ack in shown.confirmed_members) >= others:
                self.get_account(shown.message.from_).unconfirmed.pop(
                    (event.to, event.whatsapp_id), None
                )
            return
        shown.confirmed_ack = max(shown.confirmed_ack, event.ack)
        shown.ack = max(shown.ack, event.ack)
        if shown.confirmed_ack == shown.ack:
            self.get_account(shown.message.from_).unconfirmed.pop(
                (event.to, event.whatsapp_id), None
            )

    def _apply_inbound(self, event: Inbound) -> None:
        account = self.get_account(event.to)
        account.inbox[event.whatsapp_id] = event
        account.correspondents.add(event.from_)
        if event.file is not None:
            self._files[event.whatsapp_id] = event.file

    def _apply_inbound_confirmed(self, event: InboundConfirmed) -> None:
        for account in self.accounts.values():
            account.inbox.pop(event.whatsapp_id, None)
