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

Value: TypeAlias = bool | int | str


class When(Enum):
    """What a fault lies in wait for."""

    MESSAGE = auto()
    LOOK_UP = auto()
    PAGE = auto()
    CONNECTION = auto()


@dataclass(frozen=True, slots=True)
class Kind:
    """`types` are those of its value; a `blow` does not last unless asked to."""

    when: When
    types: tuple[type, ...]
    blow: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "ack_delay_ms": Kind(When.MESSAGE, (int,)),
    "ack_lost": Kind(When.MESSAGE, (bool,)),
    "send_error": Kind(When.MESSAGE, (int,)),
    "lookup_error": Kind(When.LOOK_UP, (bool, int)),
    "slow_page_ms": Kind(When.PAGE, (int,)),
    "never_ready": Kind(When.PAGE, (bool,)),
    "drop_socket": Kind(When.CONNECTION, (bool,), blow=True),
    "logout": Kind(When.CONNECTION, (bool,), blow=True),
    "page_crash": Kind(When.CONNECTION, (bool,), blow=True),
    "restrict": Kind(When.CONNECTION, (bool, str)),
}
_AIMS: Final = frozenset({"count", "number", "account"})
_PHONE: Final = re.compile(r"^\+[0-9]{5,20}$")


class WrongFault(ValueError):
    """The fault that was asked for makes no sense; the text says why."""


@dataclass(slots=True)
class Fault:
    """`left` is how often it still hits, None for ever. One that is `over` does not stay."""

    name: str
    value: Value
    left: int | None
    number: str | None
    account: str | None
    over: bool = False

    @property
    def at_once(self) -> bool:
        """Whether it hits connections now, without waiting for a message."""
        return KINDS[self.name].when is When.CONNECTION and self.number is None

    def hits(self, name: str, account: str | None, number: str | None) -> bool:
        """Whether it is this one's turn."""
        if name != self.name or self.left == 0 or self.account not in (None, account):
            return False
        if KINDS[name].when is When.CONNECTION:
            return self.number == number
        return self.number in (None, number)


class Faults:
    """Those that are there now. The one asked for last comes first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, asked: Mapping[str, Any]) -> list[Fault]:
        """Every fault that the request names. Raises WrongFault, and adds none then."""
        faults = list(_parsed(asked))
        self._faults[:0] = [fault for fault in faults if not fault.over]
        return faults

    def clear(self) -> None:
        """From now on all works."""
        self._faults.clear()

    def take(self, name: str, account: str | None, number: str | None = None) -> Value | None:
        """The value of the fault that hits now, or None; it has hit once more."""
        for fault in self._faults:
            if fault.hits(name, account, number):
                self._used(fault)
                return fault.value
        return None

    def _used(self, fault: Fault) -> None:
        if fault.left is None:
            return
        fault.left -= 1
        if fault.left == 0:
            self._faults.remove(fault)


def _parsed(asked: Mapping[str, Any]) -> Iterator[Fault]:
    names = [name for name in asked if name not in _AIMS]
    if not names:
        raise WrongFault(f"names no fault; there are {', '.join(KINDS)}")
    number, account = _phone(asked, "number"), _phone(asked, "account")
    for name in names:
        kind = KINDS.get(name)
        if kind is None:
            raise WrongFault(f"there is no fault {name}; there are {', '.join(KINDS)}")
        if kind.when is When.PAGE and (number or account):
            raise WrongFault(f"{name}: a page is loaded before it says whose it is; aim at none")
        value = _value(name, kind, asked[name])
        if value is not None:
            over = kind.blow and number is None and "count" not in asked
            yield Fault(name, value, _count(asked, kind), number, account, over)


def _value(name: str, kind: Kind, value: Any) -> Value | None:
    """None for `false`: the fault is not asked for."""
    if type(value) not in kind.types:
        wanted = " or ".join(one.__name__ for one in kind.types)
        raise WrongFault(f"{name}: needs {wanted}, not {value!r}")
    if type(value) is int and value < 0:
        raise WrongFault(f"{name}: cannot be negative")
    return None if value is False else value


def _count(asked: Mapping[str, Any], kind: Kind) -> int | None:
    count = asked.get("count", 1 if kind.blow else None)
    if count is not None and (type(count) is not int or count < 1):
        raise WrongFault(f"count: needs a number from 1 on, not {count!r}")
    return count


def _phone(asked: Mapping[str, Any], name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not (isinstance(value, str) and _PHONE.match(value)):
        raise WrongFault(f"{name}: needs a number such as +60123456789, not {value!r}")
    return value
