"""Which phones may share a commit, against a naive model."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.phone.scheduling.grouping import CommitPhones, find_free_place
from streams.domain.phone.state import InFlight, Phone

phones = st.sampled_from("abcde")


@given(st.lists(phones), st.lists(phones), st.lists(phones), phones, st.integers(0, 3))
def test_a_phone_gets_a_turn_if_nothing_else_is_about_it(
    group: list[str], taken: list[str], others: list[str], phone: str, row_offset: int
) -> None:
    """It has no event in the group, is not in the commit, and its row is older than the event."""
    commit = CommitPhones([*group, *taken])
    for each in [*taken, *others]:
        commit.take(each)
    row = Phone(phone=phone, offset=row_offset)
    expected = phone not in group + taken + others and row_offset < 2
    assert commit.may_get_turn(phone, row, 2) is expected
    assert not commit.may_get_turn(phone, None, 2)
    assert commit.is_taken(phone) is (phone in taken + others)


rows = st.none() | st.builds(
    Phone,
    phone=st.just("a"),
    in_flight=st.none()
    | st.builds(InFlight, id=phones, account=phones, dispatch_number=st.just(1)),
    is_removed=st.booleans(),
)


@given(rows, rows)
def test_a_place_is_free_when_its_account_has_less_in_flight(
    before: Phone | None, row: Phone | None
) -> None:
    """A message of the phone that goes to the same account takes the place itself."""

    def count(phone: Phone | None, account: str) -> int:
        return int(phone is not None and bool(phone.in_flight) and _account(phone) == account)

    free = [account for account in "abcde" if count(row, account) < count(before, account)]
    expected = free if row is not None and not row.is_removed else []
    account = find_free_place(before, row)
    assert ([] if account is None else [account]) == expected


def _account(phone: Phone) -> str:
    return phone.in_flight.account if phone.in_flight else ""
