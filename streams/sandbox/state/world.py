"""The world as the facts have made it: numbers, accounts, messages. Pure: no clock, file or socket.

`apply` is the only way to change it, so a world read back from its journal is the world that was.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from streams.sandbox.state.events import (
    AnyFact,
    Inbound,
    Linked,
    Message,
    Number,
    Numbers,
    Read,
    Received,
    Refused,
    Told,
    Unlinked,
)

SENT: Final = 1
DELIVERED: Final = 2
READ: Final = 3


class UnknownAccount(LookupError):
    """No account of this phone was ever linked."""


@dataclass(slots=True)
class Shown:
    """A message on a recipient's phone: how far it got, and how far the sender's page was told."""

    message: Message
    acked: bool
    ack: int = SENT
    told: int = SENT


@dataclass(slots=True)
class Account:
    """A phone with WhatsApp that has, or had, linked devices (noise keys)."""

    phone: str
    devices: set[str] = field(default_factory=set)
    untold: dict[tuple[str, str], Shown] = field(default_factory=dict)
    unread: dict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    inbox: dict[str, Inbound] = field(default_factory=dict)


class World:
    """Everything that is known of a WhatsApp that began empty."""

    def __init__(self) -> None:
        self._facts: list[AnyFact] = []
        self.accounts: dict[str, Account] = {}
        self._messages: list[Message] = []
        self._shown: dict[tuple[str, str], Shown] = {}
        self._devices: dict[str, str] = {}
        self._numbers: dict[str, Number] = {}
        self._by_chat_id: dict[str, str] = {}
        self._changes: dict[type, Callable[[Any], None]] = {
            Linked: self._linked,
            Unlinked: self._unlinked,
            Numbers: self._numbered,
            Message: self._message,
            Refused: lambda _: None,
            Read: self._read,
            Told: self._told,
            Inbound: self._inbound,
            Received: self._received,
        }

    # -- what is known

    @property
    def last_seq(self) -> int:
        """The number of facts so far."""
        return len(self._facts)

    def log(self, after: int) -> list[Message]:
        """Every message with a `seq` greater than `after`, in order."""
        return self._messages[bisect_right(self._messages, after, key=lambda one: one.seq) :]

    def history(self, after: int) -> list[AnyFact]:
        """Every fact with a `seq` greater than `after`, in order."""
        return self._facts[after:]

    def account(self, phone: str) -> Account:
        """Raises UnknownAccount."""
        try:
            return self.accounts[phone]
        except KeyError:
            raise UnknownAccount(f"no account {phone} was ever linked here") from None

    def phone_of(self, noise: str) -> str | None:
        """The account that the device is linked to."""
        return self._devices.get(noise)

    def exists(self, phone: str) -> bool:
        """Whether the number is on WhatsApp: all are, unless somebody said otherwise."""
        return self._numbers.get(phone, Number()).on_whatsapp

    def chat_id(self, phone: str) -> str:
        """What WhatsApp calls the number."""
        return self._numbers.get(phone, Number()).chat_id or f"{phone.removeprefix('+')}@c.us"

    def number(self, chat_id: str) -> str:
        """The number that WhatsApp calls so."""
        return self._by_chat_id.get(chat_id) or "+" + chat_id.partition("@")[0]

    def message(self, to: str, whatsapp_id: str) -> Shown | None:
        """The message of this id on the recipient's phone."""
        return self._shown.get((to, whatsapp_id))

    # -- what happens

    def apply(self, fact: AnyFact) -> None:
        """Take note of what has happened."""
        self._facts.append(fact)
        self._changes[type(fact)](fact)

    def _linked(self, fact: Linked) -> None:
        account = self.accounts.setdefault(fact.phone, Account(fact.phone))
        account.devices.add(fact.noise)
        self._devices[fact.noise] = fact.phone

    def _unlinked(self, fact: Unlinked) -> None:
        phone = self._devices.pop(fact.noise)
        self.accounts[phone].devices.discard(fact.noise)

    def _numbered(self, fact: Numbers) -> None:
        self._numbers |= fact.numbers
        for phone, number in fact.numbers.items():
            if number.chat_id:
                self._by_chat_id[number.chat_id] = phone

    def _message(self, fact: Message) -> None:
        self._messages.append(fact)
        if not fact.shown:
            self._shown[fact.to, fact.whatsapp_id].acked |= fact.acked
            return
        shown = self._shown[fact.to, fact.whatsapp_id] = Shown(fact, fact.acked)
        account = self.account(fact.from_)
        account.untold[fact.to, fact.whatsapp_id] = shown
        account.unread[fact.to].append(shown)

    def _read(self, fact: Read) -> None:
        account = self.account(fact.to)
        for shown in account.unread.pop(fact.by, []):
            shown.ack = READ
            account.untold[fact.by, shown.message.whatsapp_id] = shown

    def _told(self, fact: Told) -> None:
        shown = self._shown[fact.to, fact.whatsapp_id]
        shown.told = max(shown.told, fact.ack)
        shown.ack = max(shown.ack, fact.ack)
        if shown.told == shown.ack:
            self.account(shown.message.from_).untold.pop((fact.to, fact.whatsapp_id), None)

    def _inbound(self, fact: Inbound) -> None:
        self.account(fact.to).inbox[fact.whatsapp_id] = fact

    def _received(self, fact: Received) -> None:
        for account in self.accounts.values():
            account.inbox.pop(fact.whatsapp_id, None)
