"""What one worker's metrics were at one moment: a record of `wa.internal.samples`, keyed by the worker's name. Pure.

The time of a sample is the append time of its record, so the samples of all workers have one clock. A field may be
added with a default, and no field is renamed.
"""

import msgspec

from streams.domain.stored import Codec, Stored


class Series(msgspec.Struct, frozen=True, array_like=True):
    """One metric with its labels, by the names that Prometheus gets."""

    metric: str
    labels: dict[str, str]
    value: float


class Sample(Stored, frozen=True):
    """The metrics of a worker that rules need. `is_evaluator`: this worker decides on alerts now.

    `process`: the name of this run of a process of which only one may run; "": any number may.
    """

    worker: str
    series: tuple[Series, ...] = ()
    is_evaluator: bool = False
    process: str = ""


_codec: Codec[Sample] = Codec(Sample)


def encode(sample: Sample) -> bytes:
    """The record's value."""
    return _codec.encode(sample)


def decode(value: bytes | None) -> Sample | None:
    """The sample in this record; None: it is not one."""
    try:
        return None if value is None else _codec.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
