"""The draw for a new conversation: weighted rendezvous hashing, among any number of accounts at once.

Each account draws a number from its name and the phone, and the highest one wins. The number is the first half of the
account's block, encrypted under the phone's key: a cipher encrypts the blocks of all accounts in one call, so a
thousand accounts cost little more than one. Nothing here is secret; AES is the fastest mixing function at hand.

Which accounts take part is decided elsewhere (availabilities.py). The same accounts and phone always give the same
answer, in whatever order the accounts came.
"""

from collections.abc import Collection
from hashlib import blake2b
from math import log
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

_BLOCK_BYTES: Final = 16
_NUMBER_BYTES: Final = 8
_FRACTION_BITS: Final = 52  # a float holds each of these numbers, and a half more
_SPARE_BITS: Final = 8 * _NUMBER_BYTES - _FRACTION_BITS
_NO_BLOCK: Final = bytes(_BLOCK_BYTES)  # lower than every draw

Draw = tuple[float, int]  # the higher one wins


def draw_number(phone: str, account: str) -> int:
    """The number that this account draws for this phone."""
    block = _make_encryptor(phone).update(_make_block(account))
    return int.from_bytes(block[:_NUMBER_BYTES])


def weigh(number: int, weight: float) -> Draw:
    """What a number counts: the highest is the account's in `weight` of all cases (Efraimidis, Spirakis)."""
    fraction = ((number >> _SPARE_BITS) + 0.5) / 2**_FRACTION_BITS
    return weight / -log(fraction), number


class DrawPool:
    """The accounts that take part in a draw."""

    def __init__(self) -> None:
        self._weights: dict[str, float] = {}
        self._groups: dict[float, _Group] = {}  # by weight: in a group, the highest number wins

    def __len__(self) -> int:
        """How many accounts take part."""
        return len(self._weights)

    def __contains__(self, account: object) -> bool:
        """Whether this account takes part."""
        return account in self._weights

    def add(self, account: str, weight: float) -> None:
        """The account takes part from now on, with this weight."""
        self.discard(account)
        self._weights[account] = weight
        self._groups.setdefault(weight, _Group()).add(account)

    def discard(self, account: str) -> None:
        """The account takes no part any more."""
        weight = self._weights.pop(account, None)
        if weight is None:
            return
        group = self._groups[weight]
        group.remove(account)
        if not group.names:
            del self._groups[weight]

    def draw(self, phone: str, closed_accounts: Collection[str] = ()) -> str | None:
        """The account that wins this phone, leaving out the closed ones; None: there is no other."""
        if len(self._weights) <= 1:  # there is nobody to draw against
            return next((name for name in self._weights if name not in closed_accounts), None)
        encryptor = _make_encryptor(phone)
        best: tuple[Draw, str] | None = None
        for weight, group in self._groups.items():
            drawn = group.draw(encryptor, closed_accounts)
            if drawn is None:
                continue
            number, account = drawn
            weighed = weigh(number, weight), account
            best = weighed if best is None else max(best, weighed)
        return None if best is None else best[1]


class _Group:
    """Accounts of the same weight, with their blocks in one piece."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._blocks = bytearray()
        self._positions: dict[str, int] = {}

    def add(self, account: str) -> None:
        self._positions[account] = len(self.names)
        self.names.append(account)
        self._blocks += _make_block(account)

    def remove(self, account: str) -> None:
        """The last one takes its place."""
        position = self._positions.pop(account)
        last, last_block = self.names.pop(), self._blocks[-_BLOCK_BYTES:]
        del self._blocks[-_BLOCK_BYTES:]
        if last != account:
            self.names[position] = last
            self._positions[last] = position
            self._blocks[_block_slice(position)] = last_block

    def draw(
        self, encryptor: CipherContext, closed_accounts: Collection[str]
    ) -> tuple[int, str] | None:
        closed = {self._positions[name] for name in closed_accounts if name in self._positions}
        if len(closed) == len(self.names):
            return None
        blocks = bytearray(encryptor.update(self._blocks))
        for position in closed:
            blocks[_block_slice(position)] = _NO_BLOCK
        position = _find_highest(blocks)
        start = position * _BLOCK_BYTES
        return int.from_bytes(blocks[start : start + _NUMBER_BYTES]), self.names[position]


def _find_highest(blocks: bytearray) -> int:
    """The position of the highest block. Only those with the highest first byte are compared: one in 256."""
    first_bytes = blocks[::_BLOCK_BYTES]
    highest = max(first_bytes)
    best = position = first_bytes.index(highest)
    while (position := first_bytes.find(highest, position + 1)) >= 0:
        if blocks[_block_slice(position)] > blocks[_block_slice(best)]:
            best = position
    return best


def _block_slice(position: int) -> slice:
    return slice(position * _BLOCK_BYTES, (position + 1) * _BLOCK_BYTES)


def _make_block(account: str) -> bytes:
    return blake2b(account.encode(), digest_size=_BLOCK_BYTES).digest()


def _make_encryptor(phone: str) -> CipherContext:
    key = blake2b(phone.encode(), digest_size=_BLOCK_BYTES).digest()
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor()
