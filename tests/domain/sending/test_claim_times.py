"""Until when the row of a claim is kept, and until when it answers. No I/O, no clock."""

import pytest
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Failed, OutcomeUnknown, Result, Sent
from streams.domain.sending.claim_times import (
    COUNTED_S,
    DEFERRED_RETENTION_S,
    claim_expires_at_s,
    find_send_time_s,
    is_only_counted,
)
from tests.domain.sending.attempts import CLAIM, NOW_S

SHORT_S, LONG_S = 7_800.0, 604_800.0  # windows: less than a day, and more
SENT = Sent(at_s=NOW_S)
FAILED = Failed(error=Error("media_rejected"))
DEFERRED = Deferred(error=Error("disconnected"))
UNKNOWN = OutcomeUnknown(at_s=NOW_S, error=Error("outcome_unknown"))


@pytest.mark.parametrize("window_s", [SHORT_S, LONG_S])
@pytest.mark.parametrize("result", [None, SENT, FAILED, DEFERRED, UNKNOWN])
def test_what_is_counted_is_kept_for_a_day(result: Result | None, window_s: float) -> None:
    """A sender that starts again counts what the account has sent today, however short the window is."""
    row = replace(CLAIM, result=result, concluded_at_s=NOW_S if result else 0.0)
    kept_s = claim_expires_at_s(row, window_s) - NOW_S
    if find_send_time_s(row) is not None:
        assert kept_s == max(window_s, COUNTED_S)
    else:
        assert kept_s == (DEFERRED_RETENTION_S if result is DEFERRED else window_s)


def test_after_the_window_an_id_is_free_again() -> None:
    """The row is still counted, and answers no dispatch: a repeat after this time is a new message."""
    row = replace(CLAIM, result=SENT, concluded_at_s=NOW_S)
    assert not is_only_counted(row, SHORT_S, NOW_S + SHORT_S - 1)
    assert is_only_counted(row, SHORT_S, NOW_S + SHORT_S)
    assert not is_only_counted(CLAIM, SHORT_S, NOW_S + COUNTED_S), (
        "what may have left is looked for"
    )
