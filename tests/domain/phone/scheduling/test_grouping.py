"""Which events of a group may share a commit, against a naive model."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.phone.scheduling.grouping import take_first_of_each

Item = tuple[str, int]  # phone and offset

groups = st.lists(st.sampled_from("abc")).map(
    lambda phones: [(phone, offset) for offset, phone in enumerate(phones)]
)


def get_phone(item: Item) -> str:
    return item[0]


@given(groups)
def test_the_first_event_of_each_phone_is_taken(items: list[Item]) -> None:
    """It is the one before which there is no other of its phone; everything keeps its order."""
    taken, others = take_first_of_each(items, get_phone)
    is_first = [all(get_phone(b) != get_phone(a) for b in items[:at]) for at, a in enumerate(items)]
    assert taken == [item for item, first in zip(items, is_first, strict=True) if first]
    assert others == [item for item, first in zip(items, is_first, strict=True) if not first]


@given(groups)
def test_every_event_is_taken_once_in_the_order_of_its_phone(items: list[Item]) -> None:
    """As often as one phone has events, and no oftener, a commit follows."""
    remaining, order, commits = list(items), list[Item](), 0
    while remaining:
        taken, remaining = take_first_of_each(remaining, get_phone)
        order += taken
        commits += 1
    for phone in "abc":
        assert [i for i in order if i[0] == phone] == [i for i in items if i[0] == phone]
    assert len(order) == len(items)
    assert commits == max((sum(i[0] == phone for i in items) for phone in "abc"), default=0)
