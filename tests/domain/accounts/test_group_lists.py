"""The list of an account's groups as a record: it always fits, and says when it is cut."""

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts import groups
from streams.domain.accounts.groups import (
    MAX_RECORD_BYTES,
    REFRESH_S,
    AccountGroup,
    GroupReport,
    decode_groups,
    encode_groups,
    is_due,
)
from streams.domain.accounts.linking import check_record
from streams.domain.accounts.requests import decode_report, decode_request

GROUPS = st.builds(
    AccountGroup,
    id=st.from_regex(r"\A[0-9]{15,18}@g\.us\Z"),
    subject=st.text(max_size=200),
    size=st.integers(0, 1024),
    can_write=st.none() | st.booleans(),
)
REPORTS = st.builds(
    GroupReport,
    account=st.just("main"),
    groups=st.lists(GROUPS, max_size=5).map(tuple),
    listed_at_s=st.floats(0, 2e9),
    is_complete=st.booleans(),
)


@given(REPORTS)
def test_a_list_is_read_as_it_was_written(report: GroupReport) -> None:
    """It is taken for neither a request nor a report of a drain, and those who follow the topic accept it."""
    data = encode_groups(report)
    assert decode_groups(data) == report
    assert decode_request(b"main", data) is None
    assert decode_report(data) is None
    check_record(groups.groups_key("main"), data)


@given(st.integers(0, 3000), st.integers(1, 200))
def test_a_list_of_any_length_fits(count: int, subject_length: int) -> None:
    """As many groups as fit stay, in their order; by the naive rule none is missing if all fit."""
    made = tuple(
        AccountGroup(id=f"{n:018d}@g.us", subject="ü" * subject_length, size=1)
        for n in range(count)
    )
    report = GroupReport(account="main", groups=made, listed_at_s=1.0)
    data = encode_groups(report)
    decoded = decode_groups(data)
    assert decoded is not None
    assert len(data) <= MAX_RECORD_BYTES
    assert decoded.groups == made[: len(decoded.groups)]
    assert decoded.is_complete == (len(decoded.groups) == count)


@given(REPORTS, REPORTS)
def test_a_list_is_published_if_it_is_new_or_old(first: GroupReport, second: GroupReport) -> None:
    """By the naive rule: there is none yet, its content differs, or the last one is too old."""
    assert is_due(None, first)
    is_other = (first.groups, first.is_complete) != (second.groups, second.is_complete)
    assert is_due(first, second) == (
        is_other or second.listed_at_s - first.listed_at_s >= REFRESH_S
    )
