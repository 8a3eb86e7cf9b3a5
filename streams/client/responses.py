"""What a call that sends returns. No I/O."""

from dataclasses import dataclass

from streams.contract import status
from streams.contract.status import StatusEvent


@dataclass(frozen=True, slots=True)
class SendResponse:
    """Kafka has the request. Without an answer of the service, `queued`, `queue_position` and `first_status` are None.

    `success` is False if the first status is final, for example `rejected`.
    """

    id: str
    success: bool = True
    queued: bool | None = None
    queue_position: int | None = None
    first_status: StatusEvent | None = None


def build_response(first_status: StatusEvent) -> SendResponse:
    """The response to a request whose first status is this."""
    return SendResponse(
        id=first_status.id,
        success=first_status.status not in status.FINAL_STATUSES,
        queued=first_status.status in ("accepted", "queued"),
        queue_position=first_status.queue_position,
        first_status=first_status,
    )
