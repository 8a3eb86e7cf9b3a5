"""The requests of the demo are what the script says."""

from collections import Counter

import pytest

from streams.contract.errors import InvalidRequest
from streams.contract.request.parse import parse
from streams.demo.script import (
    FLOOD_SIZE,
    FLOODED_PHONE,
    NOT_ON_WHATSAPP,
    PHONES,
    RATE_LIMIT_PER_MINUTE,
    DemoRequest,
    build_first_act,
    build_second_act,
)
from streams.domain.numbers import InvalidPhone, to_e164


def all_requests() -> list[DemoRequest]:
    return [*build_first_act(), *build_second_act("3EB0AA", "3EB0BB")]


def test_about_sixty_messages_go_to_a_dozen_phones() -> None:
    """One phone is flooded, and no other gets more than its limit."""
    good = [
        request
        for request in all_requests()
        if request.expected_status == "sent" and not request.is_repeat
    ]
    to = Counter(request.to for request in good)
    assert 50 <= len(good) <= 60
    assert set(to) == set(PHONES)
    assert to.pop(FLOODED_PHONE) == FLOOD_SIZE > RATE_LIMIT_PER_MINUTE
    assert max(to.values()) <= RATE_LIMIT_PER_MINUTE


def test_all_kinds_of_content_are_included() -> None:
    """Each kind that this version can send, except a film, which would have to be real."""
    kinds = {request.kind for request in all_requests() if request.kind}
    assert kinds >= {"text", "image", "document", "audio", "sticker", "location"}
    assert kinds >= {"contact", "poll", "reaction"}


@pytest.mark.parametrize(
    "demo_request", all_requests(), ids=lambda demo_request: demo_request.id or "unreadable"
)
def test_each_request_is_as_valid_as_expected(demo_request: DemoRequest) -> None:
    """Each is parsed as the dispatcher will parse it."""
    code = None
    try:
        request = parse(demo_request.value, (), max_bytes=1 << 20)
        assert to_e164(request.to) == demo_request.to
        assert request.id == demo_request.id
    except InvalidRequest as error:
        code = error.code
    except InvalidPhone:
        code = "invalid_phone"
    assert code == (None if demo_request.code == NOT_ON_WHATSAPP else demo_request.code)
    assert (demo_request.expected_status == "sent") == (demo_request.code is None)


def test_ids_are_unique_but_for_the_one_repeat() -> None:
    """Otherwise "shown twice" would mean nothing."""
    counts = Counter(request.id for request in all_requests() if request.id)
    repeated = [id for id, count in counts.items() if count > 1]
    assert repeated == [request.id for request in all_requests() if request.is_repeat]
