"""The requests of the demo are what the script says."""

from collections import Counter

import orjson
import pytest

from streams.contract.errors import InvalidRequest
from streams.contract.request.content import TextContent
from streams.contract.request.parse import parse
from streams.demo.campaign import (
    BATCH_ID,
    CANCELLED_PHONE,
    OPTED_OUT,
    SCHEDULED_PHONE,
    TEMPLATE,
    build_cancelled_request,
    build_members,
    build_scheduled_request,
    build_unwanted_request,
    encode_batch,
)
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
from streams.dispatch.templates.rendering import CompiledTemplate
from streams.domain.batch.events import default_id
from streams.domain.numbers import InvalidPhone, to_e164
from streams.operations.templates import parse_templates


def all_requests() -> list[DemoRequest]:
    return [
        *build_first_act(),
        *build_second_act("3EB0AA", "3EB0BB"),
        *late_requests(),
    ]


def late_requests() -> list[DemoRequest]:
    time = "2026-11-27T10:00:00Z"
    return [
        build_scheduled_request(time, 1.0),
        build_cancelled_request(time),
        build_unwanted_request(),
    ]


def test_about_sixty_messages_go_to_a_dozen_phones() -> None:
    """One phone is flooded, and no other gets more than its limit."""
    good = [
        request
        for request in all_requests()
        if request.expected_status == "sent" and not request.is_repeat
    ]
    to = Counter(request.to for request in good)
    assert 50 <= len(good) <= 60
    assert to.pop(SCHEDULED_PHONE) == 1
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
    is_valid = demo_request.code in (None, NOT_ON_WHATSAPP, OPTED_OUT)
    assert code == (None if is_valid else demo_request.code)
    is_refused = demo_request.expected_status in ("rejected", "failed")
    assert is_refused == (demo_request.code is not None)


def test_ids_are_unique_but_for_the_one_repeat() -> None:
    """Otherwise "shown twice" would mean nothing."""
    counts = Counter(request.id for request in all_requests() if request.id)
    repeated = [id for id, count in counts.items() if count > 1]
    assert repeated == [request.id for request in all_requests() if request.is_repeat]


def test_the_campaign_is_a_valid_batch_of_a_valid_template() -> None:
    """Its members have ids, phones of their own, and the texts that the template renders."""
    members = build_members()
    (record,) = parse_templates("demo", orjson.dumps(TEMPLATE))
    template = CompiledTemplate(record)
    batch = orjson.loads(encode_batch(members))
    assert [message["to"] for message in batch["messages"]] == [member.to for member in members]
    assert [member.id for member in members] == [default_id(BATCH_ID, n) for n in range(12)]
    assert len({member.to for member in members}) == len(members) == 12
    assert not {member.to for member in members} & {*PHONES, SCHEDULED_PHONE, CANCELLED_PHONE}
    for member in members:
        params = orjson.loads(member.value)["content"]["params"]
        content = template.render(params)
        assert isinstance(content, TextContent)
        assert content.body == member.expected_text
