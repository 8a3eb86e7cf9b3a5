"""Reading the headers of Kafka records. What a header means is decided elsewhere.

If a name occurs more than once, the last header counts, as in Kafka's own `lastHeader`. A header that is
null or not UTF-8 counts as absent.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
TraceContext: TypeAlias = tuple[tuple[str, bytes], ...]

CONTENT_TYPE: Final = "content-type"
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

# W3C Trace Context, level 2: a traceparent of another form must be ignored.
_TRACEPARENT_PATTERN = re.compile(
    rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[\x21-\x7e]{1,64})?"
)
_MAX_TRACESTATE_BYTES = 512


def get_last(headers: Headers, name: str) -> bytes | None:
    """The value of the last header with this name, in any case."""
    for key, value in reversed(headers):
        if key.lower() == name:
            return value
    return None


def get_text(headers: Headers, name: str) -> str | None:
    """The value of the last header with this name, as text."""
    value = get_last(headers, name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def make_trace_context(traceparent: bytes | None, tracestate: bytes | None) -> TraceContext:
    """The headers that are copied to every resulting record. A malformed trace is dropped."""
    if traceparent is None or not _TRACEPARENT_PATTERN.fullmatch(traceparent):
        return ()
    if tracestate is None or len(tracestate) > _MAX_TRACESTATE_BYTES:
        return ((TRACEPARENT, traceparent),)
    return ((TRACEPARENT, traceparent), (TRACESTATE, tracestate))
