"""What the demo asks for is what it says it is."""

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


def all_of_it() -> list[DemoRequest]:
    return [*build_first_act(), *build_second_act("3EB0AA", "3EB0BB")]


def test_it_is_about_sixty_to_a_dozen_phones() -> None:
    """With one phone flooded, and no other beyond its limit."""
    good = [
        request
        for request in all_of_it()
        if request.expected_status == "sent" and not request.is_repeat
    ]
    to = Counter(request.to for request in good)
    assert 50 <= len(good) <= 60
    assert set(to) == set(PHONES)
    assert to.pop(FLOODED_PHONE) == FLOOD_SIZE > RATE_LIMIT_PER_MINUTE
    assert max(to.values()) <= RATE_LIMIT_PER_MINUTE


def test_all_kinds_of_content_are_among_them() -> None:
    """What this version sends at all, but for a film, which would have to be real."""
    kinds = {request.kind for request in all_of_it() if request.kind}
    assert kinds >= {"text", "image", "document", "audio", "sticker", "location"}
    assert kinds >= {"contact", "poll", "reaction"}


@pytest.mark.parametrize("asked", all_of_it(), ids=lambda asked: asked.id or "unreadable")
def test_the_good_are_good_and_the_bad_are_bad(asked: DemoRequest) -> None:
    """Each is read as the dispatcher will read it."""
    code = None
    try:
        request = parse(asked.value, (), max_bytes=1 << 20)
        assert to_e164(request.to) == asked.to
        assert request.id == asked.id
    except InvalidRequest as error:
        code = error.code
    except InvalidPhone:
        code = "invalid_phone"
    assert code == (None if asked.code == NOT_ON_WHATSAPP else asked.code)
    assert (asked.expected_status == "sent") == (asked.code is None)


def test_ids_are_unique_but_for_the_one_repeat() -> None:
    """So that "shown twice" means something."""
    counts = Counter(request.id for request in all_of_it() if request.id)
    repeated = [id for id, count in counts.items() if count > 1]
    assert repeated == [request.id for request in all_of_it() if request.is_repeat]
