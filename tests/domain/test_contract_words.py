"""The core may not import the contract, so both define the words; these tests compare them."""

from typing import Any, get_args

import pytest

from streams.contract import dead_letter, errors, status
from streams.domain.accounts.routing import BlockedReason
from streams.domain.errors import CODES, ErrorClass
from streams.domain.phone import effects
from streams.domain.phone.events import ReceiptKind
from streams.domain.phone.state import State
from streams.domain.phone.transition import CompletedState


@pytest.mark.parametrize(
    ("core", "contract"),
    [
        (get_args(effects.Status), get_args(status.Status)),
        (get_args(effects.QueuedReason), get_args(status.Reason)),
        (get_args(effects.DeadLetterOutcome), get_args(dead_letter.DeadLetterOutcome)),
        ([error_class.value for error_class in ErrorClass], get_args(errors.ErrorClass)),
    ],
    ids=["statuses", "reasons", "outcomes", "error classes"],
)
def test_the_core_speaks_the_words_of_the_contract(core: Any, contract: Any) -> None:
    """The core has all words of the contract, and no others."""
    assert sorted(core) == sorted(contract)


def test_what_the_core_publishes_is_a_status() -> None:
    """The states in which a message is completed, and the receipts, have the names of statuses."""
    statuses = set(get_args(status.Status))
    assert {state.value for state in get_args(CompletedState)} < statuses
    assert set(get_args(ReceiptKind)) < statuses
    assert {State(receipt) for receipt in get_args(ReceiptKind)} < set(State)
    assert set(get_args(BlockedReason)) < set(get_args(status.Reason))


def test_the_codes_of_invalid_requests_are_in_the_table() -> None:
    """The contract names a few codes itself; each is in the core's table, under its class."""
    for code in get_args(errors.InvalidCode):
        assert CODES[code][0] is ErrorClass.INVALID
