"""How the sandbox behaves: the defaults, and the faults that somebody has requested. Pure.

    when                       fault                value
    a message arrives          ack_delay_ms         milliseconds before the ack
                               ack_lost             true: the message is recorded, its ack is never sent
                               send_error           WhatsApp's error code; the recipient does not get it
                               local_error          where the page itself fails: before_ack (nothing leaves it),
                                                    server_status (the same, in a request before it),
                                                    after_ack, ack_unreadable (the server has the message)
    a receipt is due           receipt_delay_ms     milliseconds more
                               receipts_repeated    true: each receipt comes twice
                               receipts_reordered   true: read at once, and "delivered" comes after "read"
                               receipts_unacked     true: receipts come although the ack was lost
    a file is uploaded         upload_hangs         true: the upload never ends
                               upload_error         the HTTP status of the refusal
    a file is downloaded       download_error       the HTTP status of the refusal
    a number is looked up      lookup_error         true or an error code
    a page is loaded           slow_page_ms         milliseconds before its modules
                               never_ready          true: its modules never come
                               remove_module        a module, or `module.export`, that the page leaves out
                               storage_failure      true: IndexedDB cannot be opened, so the page logs out
                               storage_kept         true: the page's logout leaves IndexedDB as it is, as if it
                                                    had been killed in the middle of it
                               qr_form              1: five fields, 2: a link and five, 3: six fields
    at each new connection     offline_delivery_ms  milliseconds that the offline delivery takes
    at once, and at each       drop_socket          true: the connection is closed
    new connection             logout               true: the phone unlinks the device; or a reason (a string
                                                    of WAWebLogoutReasonConstants) with which the page leaves
                               dead_socket          true: it stays open, and nothing passes it any more
                               page_crash           true: the process of the page dies
                               replaced             true: another connection has replaced this one
                               service_unavailable  true: the server refuses with 503
                               stream_error         401, 403, 405, 406 or 409: the server refuses with it
                               restrict             true or a stream mode such as TOS_BLOCK (older pages)
    from now on                socket_down_s        seconds for which the chat server does not answer
                               network_down_s       the same, and the page is offline
                               ban                  seconds until the ban expires
                               time_lock            seconds of the time lock; 0: it is lifted
                               new_chat_cap         total quota of messages to strangers

A fault may name a `number` (a recipient), an `account` and a `count`. A fault of the group "at once" that
names a number takes effect when a message to it has arrived, before its ack. Without a count, a fault
lasts until `DELETE /faults`. The one-shot faults hit each present connection once, unless a count says
more (`"count": null`: without end): the whole group "at once", without `restrict`. The last group sets a
state of all accounts, or of the one that the fault names; it has no number and no count.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias

FaultValue: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """The behaviour without faults.

    `ack_delay_ms`: from a message's arrival to its ack. `delivery_ms`: from the ack to the delivery
    receipt, `read_ms`: from there to the read receipt; None for never (then only `POST /read` makes a
    recipient read). A page shows `qr_codes` QR codes, the first for three times `qr_ttl_s`, each other one
    for `qr_ttl_s`. With `auto_scan`, a phone scans every QR code that a page shows.

    The page knows all of them. `max_reconnect_s`: the longest wait between two attempts to connect (None: 900,
    as on the real page). `dead_socket_s`: after so long without an answer, a connection is dead.
    `health_check_s`: an idle connection is checked after once to twice this time. `main_screen_ms`: from the
    login to the main screen. `mutex_ping_ms`: how long a page waits for another tab that has the session.

    `lid_chats`: a chat with one person has a LID, as on the real page; else the phone number.
    `serialized_keys`: keys of messages have `_serialized`, as before August 2026. A reload restores the
    first `restored_before_main` chats before the main screen, the others after the offline delivery, within
    `restore_ms`. `search_give_up_ms`: how long the page searches for the last message of a chat that is
    not restored yet (source: WAWebChatLoadMessages: four attempts, 8 s).
    """

    ack_delay_ms: int = 0
    delivery_ms: int | None = 20
    read_ms: int | None = None
    qr_ttl_s: float = 20.0
    qr_codes: int = 6
    auto_scan: bool = False
    max_reconnect_s: float | None = 0.25
    dead_socket_s: float = 20.0
    health_check_s: float = 15.0
    main_screen_ms: int = 50
    restored_before_main: int = 100
    restore_ms: int = 0
    search_give_up_ms: int = 8000
    lid_chats: bool = True
    serialized_keys: bool = False
    mutex_ping_ms: int = 200


class Trigger(Enum):
    """What makes a fault take effect."""

    MESSAGE = auto()
    RECEIPT = auto()
    UPLOAD = auto()
    LOOK_UP = auto()
    PAGE = auto()
    CONNECTION = auto()
    STATE = auto()


@dataclass(frozen=True, slots=True)
class FaultKind:
    """`value_types` are the types of its value. A `one_shot` fault does not last without a count."""

    trigger: Trigger
    value_types: tuple[type, ...]
    one_shot: bool = False


FAULT_KINDS: Final[Mapping[str, FaultKind]] = {
    "ack_delay_ms": FaultKind(Trigger.MESSAGE, (int,)),
    "ack_lost": FaultKind(Trigger.MESSAGE, (bool,)),
    "send_error": FaultKind(Trigger.MESSAGE, (int,)),
    "local_error": FaultKind(Trigger.MESSAGE, (str,)),
    "receipt_delay_ms": FaultKind(Trigger.RECEIPT, (int,)),
    "receipts_repeated": FaultKind(Trigger.RECEIPT, (bool,)),
    "receipts_reordered": FaultKind(Trigger.RECEIPT, (bool,)),
    "receipts_unacked": FaultKind(Trigger.RECEIPT, (bool,)),
    "upload_hangs": FaultKind(Trigger.UPLOAD, (bool,)),
    "upload_error": FaultKind(Trigger.UPLOAD, (int,)),
    "download_error": FaultKind(Trigger.UPLOAD, (int,)),
    "lookup_error": FaultKind(Trigger.LOOK_UP, (bool, int)),
    "slow_page_ms": FaultKind(Trigger.PAGE, (int,)),
    "never_ready": FaultKind(Trigger.PAGE, (bool,)),
    "remove_module": FaultKind(Trigger.PAGE, (str,)),
    "storage_failure": FaultKind(Trigger.PAGE, (bool,)),
    "storage_kept": FaultKind(Trigger.PAGE, (bool,)),
    "qr_form": FaultKind(Trigger.PAGE, (int,)),
    "offline_delivery_ms": FaultKind(Trigger.CONNECTION, (int,)),
    "drop_socket": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "dead_socket": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "logout": FaultKind(Trigger.CONNECTION, (bool, str), one_shot=True),
    "page_crash": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "replaced": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "service_unavailable": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "stream_error": FaultKind(Trigger.CONNECTION, (int,), one_shot=True),
    "restrict": FaultKind(Trigger.CONNECTION, (bool, str)),
    "socket_down_s": FaultKind(Trigger.STATE, (int, float)),
    "network_down_s": FaultKind(Trigger.STATE, (int, float)),
    "ban": FaultKind(Trigger.STATE, (int, float)),
    "time_lock": FaultKind(Trigger.STATE, (int, float)),
    "new_chat_cap": FaultKind(Trigger.STATE, (int,)),
}
_ALLOWED_VALUES: Final[Mapping[str, frozenset[Any]]] = {
    "local_error": frozenset({"before_ack", "server_status", "after_ack", "ack_unreadable"}),
    "qr_form": frozenset({1, 2, 3}),
    "stream_error": frozenset({401, 403, 405, 406, 409}),
}
_FILTERS: Final = frozenset({"count", "number", "account"})
_PHONE_PATTERN: Final = re.compile(r"^\+[0-9]{5,20}$")


class InvalidFault(ValueError):
    """The requested fault is not valid. The message says why."""


@dataclass(slots=True)
class Fault:
    """`remaining` is how often it still takes effect, None: without end. An immediate one is not kept."""

    name: str
    value: FaultValue
    remaining: int | None
    number: str | None
    account: str | None
    is_immediate: bool = False

    @property
    def is_for_connections(self) -> bool:
        """Whether it takes effect on connections, without waiting for a message."""
        return FAULT_KINDS[self.name].trigger is Trigger.CONNECTION and self.number is None

    def matches(self, name: str, account: str | None, number: str | None) -> bool:
        """Whether it takes effect now."""
        if name != self.name or self.remaining == 0 or self.account not in (None, account):
            return False
        if FAULT_KINDS[name].trigger is Trigger.CONNECTION:
            return self.number == number
        return self.number in (None, number)


class Faults:
    """The present faults. The latest one comes first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, request: Mapping[str, Any]) -> list[Fault]:
        """Add every fault that the request names, and return them. Raises InvalidFault, and then adds none."""
        faults = list(_parse_faults(request))
        self._faults[:0] = [fault for fault in faults if not fault.is_immediate]
        return faults

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def consume(
        self, name: str, account: str | None, number: str | None = None
    ) -> FaultValue | None:
        """The value of the fault that takes effect now, or None. Counts as one use of it."""
        for fault in self._faults:
            if fault.matches(name, account, number):
                self._count_use(fault)
                return fault.value
        return None

    def _count_use(self, fault: Fault) -> None:
        if fault.remaining is None:
            return
        fault.remaining -= 1
        if fault.remaining == 0:
            self._faults.remove(fault)


def _parse_faults(request: Mapping[str, Any]) -> Iterator[Fault]:
    names = [name for name in request if name not in _FILTERS]
    if not names:
        raise InvalidFault(f"names no fault; the faults are {', '.join(FAULT_KINDS)}")
    number, account = _parse_phone(request, "number"), _parse_phone(request, "account")
    for name in names:
        kind = FAULT_KINDS.get(name)
        if kind is None:
            raise InvalidFault(f"there is no fault {name}; the faults are {', '.join(FAULT_KINDS)}")
        if kind.trigger is Trigger.PAGE and (number or account):
            raise InvalidFault(
                f"{name}: cannot name a number or an account: a page loads before its account is known"
            )
        is_state = kind.trigger is Trigger.STATE
        if is_state:
            _check_state_fault(name, request)
        value = _parse_value(name, kind, request[name])
        if value is not None:
            is_one_shot = kind.one_shot and number is None and "count" not in request
            is_immediate = is_state or is_one_shot
            yield Fault(name, value, _parse_count(request, kind), number, account, is_immediate)


def _check_state_fault(name: str, request: Mapping[str, Any]) -> None:
    if "number" in request or "count" in request:
        raise InvalidFault(f"{name}: cannot name a number or a count: it is a state of an account")


def _parse_value(name: str, kind: FaultKind, value: Any) -> FaultValue | None:
    """None for `false`: the fault is not requested."""
    if type(value) not in kind.value_types:
        expected = " or ".join(value_type.__name__ for value_type in kind.value_types)
        raise InvalidFault(f"{name}: needs {expected}, not {value!r}")
    if type(value) in (int, float) and value < 0:
        raise InvalidFault(f"{name}: cannot be negative")
    allowed_values = _ALLOWED_VALUES.get(name)
    if allowed_values is not None and value not in allowed_values:
        raise InvalidFault(f"{name}: is one of {sorted(allowed_values)}, not {value!r}")
    return None if value is False else value


def _parse_count(request: Mapping[str, Any], kind: FaultKind) -> int | None:
    count = request.get("count", 1 if kind.one_shot else None)
    if count is not None and (type(count) is not int or count < 1):
        raise InvalidFault(f"count: needs a number of 1 or more, not {count!r}")
    return count


def _parse_phone(request: Mapping[str, Any], name: str) -> str | None:
    value = request.get(name)
    if value is not None and not (isinstance(value, str) and _PHONE_PATTERN.match(value)):
        raise InvalidFault(f"{name}: needs a number such as +60123456789, not {value!r}")
    return value
