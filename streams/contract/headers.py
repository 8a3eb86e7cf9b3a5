"""Headers of Kafka records: how one is read. What a header means is not decided here.

Where a name stands more than once the last one counts, as in Kafka's own `lastHeader`. A header that is
null or no UTF-8 is as good as absent.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
TraceContext: TypeAlias = tuple[tuple[str, bytes], ...]

CONTENT_TYPE: Final = "content-type"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

# W3C Trace Context, level 2: what does not look like this is to be ignored, as if there were none.
_TRACEPARENT_PATTERN = re.compile(
    rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]{1,64})?"
)
_MAX_TRACESTATE_BYTES = 512


def get_last(headers: Headers, name: str) -> bytes | None:
    """The value of the last header of this name; its case does not matter."""
    for key, value in reversed(headers):
        if key.lower() == name:
            return value
    return None


def get_text(headers: Headers, name: str) -> str | None:
    """The same as text."""
    value = get_last(headers, name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def make_trace_context(traceparent: bytes | None, tracestate: bytes | None) -> TraceContext:
    """What is copied to every record that follows; a trace that is not well formed is not carried on."""
    if traceparent is None or not _TRACEPARENT_PATTERN.fullmatch(traceparent):
        return ()
    if tracestate is None or len(tracestate) > _MAX_TRACESTATE_BYTES:
        return ((TRACEPARENT, traceparent),)
    return ((TRACEPARENT, traceparent), (TRACESTATE, tracestate))
