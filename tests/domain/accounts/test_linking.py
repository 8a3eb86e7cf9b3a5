"""The number behind an account's name, and what a sender does about its link."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.accounts import linking
from streams.domain.accounts.linking import (
    Instructions,
    LinkAction,
    LinkedNumber,
    LinkRequest,
    LinkSituation,
    NumberVerdict,
    check_number,
    next_action,
    read_instructions,
)
from streams.domain.accounts.requests import AccountRequest, RequestedState, encode, request_key

NAMES, PHONES = ("main", "sales", "support"), ("+1", "+2")


def number(account: str, phone: str, at_s: float = 0.0) -> LinkedNumber:
    """The account has this number since then."""
    return LinkedNumber(account=account, linked_phone=phone, at_s=at_s)


all_numbers = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(PHONES), st.integers(0, 2))
).map(lambda items: {name: number(name, phone, at_s) for name, (phone, at_s) in items.items()})


@given(numbers=all_numbers, phone=st.sampled_from(PHONES))
def test_a_number_is_used_by_one_account_at_most(
    numbers: dict[str, LinkedNumber], phone: str
) -> None:
    """Of all accounts whose pages report this number, one may send: the first one that got it."""
    verdicts = {name: check_number(name, phone, numbers) for name in NAMES}
    own = [name for name, verdict in verdicts.items() if verdict is NumberVerdict.OWN]
    holders = [(each.at_s, name) for name, each in numbers.items() if each.linked_phone == phone]
    assert own == [name for _, name in sorted(holders)[:1]]
    for name, verdict in verdicts.items():
        if name not in numbers:
            assert verdict is (NumberVerdict.TAKEN if holders else NumberVerdict.FIRST)
        elif numbers[name].linked_phone != phone:
            assert verdict is NumberVerdict.OTHER
    assert check_number("main", None, numbers) is NumberVerdict.UNKNOWN


situations = st.builds(
    LinkSituation,
    is_linked=st.booleans(),
    is_ready=st.booleans(),
    shows_code=st.booleans(),
    has_pairing_code=st.booleans(),
    verdict=st.sampled_from(NumberVerdict),
    handled_at_s=st.integers(0, 100),
    pairing_requested_s=st.integers(0, 100),
    logged_out_s=st.integers(0, 100),
)
link_requests = st.none() | st.builds(
    LinkRequest,
    account=st.just("main"),
    link_until_s=st.integers(0, 200),
    at_s=st.integers(0, 100),
    by=st.just("me"),
    pairing_phone=st.none() | st.just("+1"),
)


def make_request(requested: RequestedState, account: str = "main") -> AccountRequest:
    """A person requests this."""
    return AccountRequest(account=account, requested=requested, by="me", at_s=1.0)


@given(
    situation=situations,
    link_request=link_requests,
    requested=st.none() | st.sampled_from(["active", "paused", "logged_out"]),
)
def test_a_page_is_logged_out_only_if_a_person_wants_that(
    situation: LinkSituation, link_request: LinkRequest | None, requested: RequestedState | None
) -> None:
    """It is requested, or a person waits to link another phone than the wrong one; nothing else costs a link."""
    request = make_request(requested) if requested else None
    instructions = Instructions(request, link_request)
    action = next_action(situation, instructions, 100.0)
    waits = link_request is not None and link_request.link_until_s > 100
    is_wrong = situation.verdict in ("other_number", "number_in_use")
    if action is LinkAction.LOG_OUT:
        assert situation.is_linked
        assert requested == "logged_out" or (waits and is_wrong)
    if action is LinkAction.REQUEST_PAIRING_CODE:
        assert waits
        assert not situation.is_linked
        assert requested != "logged_out"
    if action is LinkAction.STORE_NUMBER:
        assert situation.verdict is NumberVerdict.FIRST
        assert situation.is_ready


@pytest.mark.parametrize(
    ("now_s", "action"),
    [(12.0, LinkAction.NOTHING), (15.0, LinkAction.LOG_OUT), (99.0, LinkAction.LOG_OUT)],
)
def test_a_logout_is_repeated(now_s: float, action: LinkAction) -> None:
    """A page without a connection may not be able to do it; it is not pushed either."""
    situation = LinkSituation(
        is_linked=True,
        is_ready=False,
        shows_code=False,
        has_pairing_code=False,
        verdict=NumberVerdict.OWN,
        logged_out_s=10.0,
    )
    instructions = Instructions(make_request("logged_out"))
    assert next_action(situation, instructions, now_s) is action


def test_instructions_are_read_from_records() -> None:
    """Each kind by its key; a removed account holds no number, and what cannot be read is ignored."""
    link = LinkRequest(account="main", link_until_s=9.0, at_s=1.0, by="me")
    records = {
        request_key("main"): encode(make_request("paused")),
        request_key("gone"): encode(make_request("removed", "gone")),
        linking.link_key("main"): encode(link),
        linking.number_key("gone"): encode(number("gone", "+1")),
        linking.number_key("sales"): encode(number("sales", "+2")),
        linking.number_key("main"): encode(number("sales", "+2")),
        b"support": b"poison",
    }
    instructions = read_instructions("main", records.items())
    assert instructions.request == make_request("paused")
    assert instructions.link_request == link
    assert instructions.numbers == {"sales": number("sales", "+2")}
    with pytest.raises(ValueError, match="neither"):
        linking.check_record(b"support", b"poison")
    for key, value in list(records.items())[:5]:
        linking.check_record(key, value)
