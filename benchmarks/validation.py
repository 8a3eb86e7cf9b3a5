"""How long requests take to validate: msgspec, pydantic, and the whole of `parse`.

    .venv/bin/uv run --no-project --python .venv/bin/python --with pydantic --with msgspec --with orjson \\
        benchmarks/validation.py

runs both. pydantic is not a dependency of wa-streams: if it is not installed
(`.venv/bin/python benchmarks/validation.py`), its column stays empty. Each figure is the median
of 7 rounds, in microseconds per request.
"""

import statistics
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
import orjson

from streams.contract.request import parse
from streams.contract.request.form import RequestForm

try:
    import pydantic
except ImportError:
    pydantic = None

ROUNDS = 7
ROUND_S = 0.15

REQUESTS: dict[str, dict[str, Any]] = {
    "short form": {"to": "+60123456789", "text": "Your parcel is on its way"},
    "long form": {
        "id": "order-8841-shipped",
        "to": "+60 12-345 6789",
        "content": {"type": "text", "body": "Your parcel is on its way"},
        "priority": "normal",
        "category": "transactional",
        "send_at": "2026-11-24T09:00:00Z",
        "expires_at": "2026-11-24T18:00:00Z",
        "account": "sales-1",
        "batch_id": "b-17",
        "metadata": {"order": 8841, "lines": [1, 2, 3]},
    },
    "poll": {
        "to": "+60123456789",
        "content": {"type": "poll", "question": "When?", "options": ["today", "tomorrow", "never"]},
    },
    "64 KiB of text": {"to": "+60123456789", "text": "x" * 65_536},
    "file of 512 KiB": {
        "to": "+60123456789",
        "content": {"type": "document", "data": "QUJD" * 174_763, "filename": "bill.pdf"},
    },
    "wrong: no body": {"to": "+60123456789", "content": {"type": "text"}},
}


def microseconds(call: Callable[[], object]) -> float:
    """The median time of one call."""
    timer = timeit.Timer(call)
    once = max(timer.timeit(10) / 10, 1e-9)
    number = max(int(ROUND_S / once), 1)
    return statistics.median(timer.repeat(ROUNDS, number)) / number * 1e6


def calling(validate: Callable[[bytes], object], data: bytes) -> Callable[[], object]:
    """One validation; for a refusal, the time includes making the message."""

    def call() -> object:
        try:
            return validate(data)
        except ValueError as error:  # all three raise a subclass of it
            return str(error)

    return call


def with_msgspec() -> Callable[[bytes], object]:
    """The bare library: bytes to a checked struct."""
    return msgspec.json.Decoder(RequestForm).decode


def with_pydantic() -> Callable[[bytes], object] | None:
    """The same fields and bounds as a pydantic model, or None if pydantic is not installed."""
    if pydantic is None:
        return None
    from benchmarks.validation_pydantic import Form as Model

    return Model.model_validate_json


def whole(data: bytes) -> object:
    """All of `parse`: strict JSON, the struct, rules across fields, the content."""
    return parse.parse(data, (), max_bytes=1 << 20)


def main() -> None:
    """Print the table."""
    decode, model = with_msgspec(), with_pydantic()
    print(
        f"{'microseconds':18}{'bytes':>9}{'msgspec':>10}{'pydantic':>10}{'ratio':>7}{'parse':>10}"
    )
    for name, fields in REQUESTS.items():
        data = orjson.dumps(fields)
        msgspec_us = microseconds(calling(decode, data))
        pydantic_columns = f"{'-':>10}{'-':>7}"
        if model is not None:
            pydantic_us = microseconds(calling(model, data))
            pydantic_columns = f"{pydantic_us:10.1f}{pydantic_us / msgspec_us:7.1f}"
        print(
            f"{name:18}{len(data):9}{msgspec_us:10.1f}{pydantic_columns}{microseconds(calling(whole, data)):10.1f}"
        )


if __name__ == "__main__":
    main()
