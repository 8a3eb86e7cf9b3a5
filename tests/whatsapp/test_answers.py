"""What the adapter's answers and events mean, without a page."""

import pytest

from streams.whatsapp.driver import (
    AckCounts,
    InDoubt,
    LateRefusal,
    NotSubmitted,
    Receipt,
    ServerRefused,
    SubmitResult,
)
from streams.whatsapp.errors import (
    AdapterError,
    PageFailure,
    PageHung,
    PageLost,
    PageNavigated,
)
from streams.whatsapp.limits import MAX_UPLOAD_S
from streams.whatsapp.web.answers import (
    count_ack,
    decode_event,
    decode_submit_error,
    is_session_lost,
)
from streams.whatsapp.web.media import upload_timeout_s
from tests.support.browser import make_message


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (
            AdapterError("server_error", "ERROR_UNKNOWN", handed_over=True, server_code=463),
            ServerRefused(463, "ERROR_UNKNOWN"),
        ),
        (
            AdapterError("outcome_unknown", "ERROR_UNKNOWN", handed_over=True),
            InDoubt("outcome_unknown", "outcome_unknown: ERROR_UNKNOWN"),
        ),
        (
            AdapterError("media_upload_failed", "no upload"),
            NotSubmitted("media_upload_failed", "no upload"),
        ),
        (
            AdapterError("new_chats_restricted", "locked", until_s=5.0),
            NotSubmitted("new_chats_restricted", "locked", 5.0),
        ),
        (AdapterError("page_error", "no x"), NotSubmitted("page_crashed", "page_error: no x")),
        (AdapterError("page_incomplete", "x"), NotSubmitted("page_incomplete", "x")),
    ],
)
def test_an_error_of_a_submit(error: AdapterError, result: SubmitResult) -> None:
    """Only the server's code is a refusal by the server; what was handed over is in doubt."""
    assert decode_submit_error(error) == result


def make_ack(
    ack: int, *, source: str = "model", is_new: bool = True, is_group: bool = False
) -> dict[str, object]:
    """An event of the adapter."""
    return {
        "kind": "ack",
        "id": "3EB0",
        "ack": ack,
        "source": source,
        "is_new": is_new,
        "is_group": is_group,
    }


def test_an_ack_is_a_receipt_once() -> None:
    """The second source repeats it, which is only counted."""
    assert decode_event(make_ack(1), 7.0) == Receipt("3EB0", "sent", 7.0)
    assert decode_event(make_ack(2), 7.0) == Receipt("3EB0", "delivered", 7.0)
    assert decode_event(make_ack(2, is_new=False), 7.0) is None


def test_a_late_refusal_is_reported_with_its_code() -> None:
    """It is no ack, and counts as none."""
    event = {"kind": "refusal", "id": "3EB0", "server_code": 463}
    assert decode_event(event, 7.0) == LateRefusal("3EB0", 463)
    assert count_ack(AckCounts(), event) == AckCounts()


def test_receipts_are_counted_by_source() -> None:
    """The server's ack is not one: WhatsApp's receipt handler never has it."""
    counts = AckCounts()
    for event in (make_ack(1), make_ack(2), make_ack(3), make_ack(2, source="handler")):
        counts = count_ack(counts, event)
    # Of a group, only the model is read: that says nothing about the handler.
    assert count_ack(counts, make_ack(2, is_group=True)) == counts
    assert counts == AckCounts(heard=1, read=2)


def test_an_upload_may_take_longer_for_a_larger_file() -> None:
    """A text has no upload."""
    contents: list[dict[str, object]] = [
        {"type": "text", "body": "hello"},
        *({"type": "image", "data": "A" * size} for size in (4, 4 << 20, 1 << 28)),
    ]
    no_file_s, small_s, large_s, huge_s = (
        upload_timeout_s(make_message("3EB0", content)) for content in contents
    )
    assert 0 == no_file_s < small_s < large_s < huge_s == MAX_UPLOAD_S


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (PageLost("killed"), True),
        (PageNavigated("reloaded"), True),
        (PageHung("no answer within 15 s"), False),
        (AdapterError("disconnected", "socket OPENING"), True),
        (AdapterError("not_logged_in", "x"), True),
        (AdapterError("lookup_failed", "an error for this number"), False),
        (AdapterError("page_error", "a TypeError"), False),
    ],
)
def test_whether_the_session_was_lost(error: AdapterError | PageFailure, is_lost: bool) -> None:
    """A look-up that was cut off costs no attempt; one that only gave no answer does, so that it ends."""
    assert is_session_lost(error) == is_lost
