"""An alert that was raised or cleared: a record of `wa.alerts`, keyed by the name of the alert. No I/O.

Records come at least once. The same fact always has the same `event_id`, so a reader can drop repeats.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
import orjson
from msgspec import Meta

from streams.contract.status import Timestamp

AlertState: TypeAlias = Literal["raised", "cleared"]
AlertSeverity: TypeAlias = Literal["warning", "critical"]


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An alert was raised or cleared. It is one alert for each different `labels`."""

    event_id: Annotated[str, Meta(description="The same for each repeat of this record.")]
    alert: Annotated[
        str, Meta(pattern=r"^[a-z][a-z_]{0,63}$(?!\n)", description="The name of the alert.")
    ]
    state: Annotated[
        AlertState, Meta(title="AlertState", description="Whether the alert was raised or cleared.")
    ]
    severity: Annotated[
        AlertSeverity,
        Meta(
            title="AlertSeverity",
            description="`critical`: messages are not sent, or a person must decide, now.",
        ),
    ]
    at: Annotated[Timestamp, Meta(description="When it was raised or cleared.")]
    raised_at: Annotated[Timestamp, Meta(description="When it was raised.")]
    summary: Annotated[str, Meta(description="What is wrong, in a sentence.")]
    labels: Annotated[
        dict[str, str],
        Meta(description="What it is about: `account`, `worker`, or `topic` and `partition`."),
    ] = {}
    value: (
        Annotated[float, Meta(description="The measured value when it was raised; else null.")]
        | None
    ) = None
    threshold: Annotated[float, Meta(description="The value beyond which it is raised.")]
    runbook: Annotated[str, Meta(description="The page that says what to do, in the repository.")]


_decoder = msgspec.json.Decoder(AlertRecord)


def make_event_id(alert: str, labels: dict[str, str], raised_at: str, state: AlertState) -> str:
    """The id of this fact: `account_silent/account=main/2026-11-24T09:00:00.412Z/raised`."""
    subject = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return "/".join((alert, subject, raised_at, state))


def encode(record: AlertRecord) -> bytes:
    """The record's value. Nulls are written."""
    return orjson.dumps(msgspec.to_builtins(record))


def decode(value: bytes) -> AlertRecord:
    """Decode the value of a record of `wa.alerts`.

    Raises:
        msgspec.DecodeError: the bytes are not an alert record.
    """
    return _decoder.decode(value)
