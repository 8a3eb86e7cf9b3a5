"""Faults that somebody asked for: which are there, and whom they hit. Pure.

    when                       fault           value
    a message arrives          ack_delay_ms    milliseconds before the ack
                               ack_lost        true: it is kept, and never acknowledged
                               send_error      WhatsApp's error code; the recipient does not get it
    a number is looked up      lookup_error    true or an error code
    a page is loaded           slow_page_ms    milliseconds before its modules
                               never_ready     true: its modules never come
    at once, and at each       drop_socket     true: the connection is cut
    new connection             logout          true: the phone unlinks the device
                               page_crash      true: the page's process dies
                               restrict        true or a stream mode such as TOS_BLOCK

A fault may name a `number` (a recipient), an `account` and a `count`. One of the last group that
names a number hits when a message to it has arrived and before its ack. Without a count a fault
lasts until `DELETE /faults`; only `drop_socket`, `logout` and `page_crash` are blows: they hit each
connection that there is once, unless a count says more (`"count": null` for ever).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias

FaultValue: TypeAlias = bool | int | str


class Trigger(Enum):
    """What a fault lies in wait for."""

    MESSAGE = auto()
    LOOK_UP = auto()
    PAGE = auto()
    CONNECTION = auto()


@dataclass(frozen=True, slots=True)
class FaultKind:
    """`types` are those of its value; a `blow` does not last unless asked to."""

    trigger: Trigger
    value_types: tuple[type, ...]
    one_shot: bool = False


FAULT_KINDS: Final[Mapping[str, FaultKind]] = {
    "ack_delay_ms": FaultKind(Trigger.MESSAGE, (int,)),
    "ack_lost": FaultKind(Trigger.MESSAGE, (bool,)),
    "send_error": FaultKind(Trigger.MESSAGE, (int,)),
    "lookup_error": FaultKind(Trigger.LOOK_UP, (bool, int)),
    "slow_page_ms": FaultKind(Trigger.PAGE, (int,)),
    "never_ready": FaultKind(Trigger.PAGE, (bool,)),
    "drop_socket": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "logout": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "page_crash": FaultKind(Trigger.CONNECTION, (bool,), one_shot=True),
    "restrict": FaultKind(Trigger.CONNECTION, (bool, str)),
}
_FILTERS: Final = frozenset({"count", "number", "account"})
_PHONE_PATTERN: Final = re.compile(r"^\+[0-9]{5,20}$")


class InvalidFault(ValueError):
    """The fault that was asked for makes no sense; the text says why."""


@dataclass(slots=True)
class Fault:
    """`left` is how often it still hits, None for ever. One that is `over` does not stay."""

    name: str
    value: FaultValue
    remaining: int | None
    number: str | None
    account: str | None
    is_momentary: bool = False

    @property
    def is_for_connections(self) -> bool:
        """Whether it hits connections now, without waiting for a message."""
        return FAULT_KINDS[self.name].trigger is Trigger.CONNECTION and self.number is None

    def matches(self, name: str, account: str | None, number: str | None) -> bool:
        """Whether it is this one's turn."""
        if name != self.name or self.remaining == 0 or self.account not in (None, account):
            return False
        if FAULT_KINDS[name].trigger is Trigger.CONNECTION:
            return self.number == number
        return self.number in (None, number)


class Faults:
    """Those that are there now. The one asked for last comes first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, request: Mapping[str, Any]) -> list[Fault]:
        """Every fault that the request names. Raises WrongFault, and adds none then."""
        faults = list(_parse_faults(request))
        self._faults[:0] = [fault for fault in faults if not fault.is_momentary]
        return faults

    def clear(self) -> None:
        """From now on all works."""
        self._faults.clear()

    def consume(
        self, name: str, account: str | None, number: str | None = None
    ) -> FaultValue | None:
        """The value of the fault that hits now, or None; it has hit once more."""
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
        raise InvalidFault(f"names no fault; there are {', '.join(FAULT_KINDS)}")
    number, account = _parse_phone(request, "number"), _parse_phone(request, "account")
    for name in names:
        kind = FAULT_KINDS.get(name)
        if kind is None:
            raise InvalidFault(f"there is no fault {name}; there are {', '.join(FAULT_KINDS)}")
        if kind.trigger is Trigger.PAGE and (number or account):
            raise InvalidFault(f"{name}: a page is loaded before it says whose it is; aim at none")
        value = _parse_value(name, kind, request[name])
        if value is not None:
            is_momentary = kind.one_shot and number is None and "count" not in request
            yield Fault(name, value, _parse_count(request, kind), number, account, is_momentary)


def _parse_value(name: str, kind: FaultKind, value: Any) -> FaultValue | None:
    """None for `false`: the fault is not asked for."""
    if type(value) not in kind.value_types:
        expected = " or ".join(value_type.__name__ for value_type in kind.value_types)
        raise InvalidFault(f"{name}: needs {expected}, not {value!r}")
    if type(value) is int and value < 0:
        raise InvalidFault(f"{name}: cannot be negative")
    return None if value is False else value


def _parse_count(request: Mapping[str, Any], kind: FaultKind) -> int | None:
    count = request.get("count", 1 if kind.one_shot else None)
    if count is not None and (type(count) is not int or count < 1):
        raise InvalidFault(f"count: needs a number from 1 on, not {count!r}")
    return count


def _parse_phone(request: Mapping[str, Any], name: str) -> str | None:
    value = request.get(name)
    if value is not None and not (isinstance(value, str) and _PHONE_PATTERN.match(value)):
        raise InvalidFault(f"{name}: needs a number such as +60123456789, not {value!r}")
    return value
