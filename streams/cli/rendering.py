"""How a status event and the words beside a QR code are shown in a terminal. Decides nothing about either."""

from streams.cli import output
from streams.cli.time_param import format_clock
from streams.contract import status
from streams.contract.status import StatusEvent


def format_link_instructions(account: str) -> str:
    """What the user does with the code."""
    return f"{account}: scan this code with WhatsApp > Settings > Linked devices > Link a device"


def print_event(event: StatusEvent, *, as_json: bool) -> None:
    """Print the event: as the contract writes it, or as columns for people."""
    if as_json:
        output.print_data(status.encode(event).decode())
        return
    columns = (format_clock(event.at), event.id, event.to or "-", event.status, _describe(event))
    output.print_data(output.make_printable("  ".join(column for column in columns if column)))


def _describe(event: StatusEvent) -> str:
    """The details that explain a status."""
    if event.error is not None:
        return f"{event.error.code}: {event.error.detail or event.error.title}"
    position = None if event.queue_position is None else f"{event.queue_position} ahead"
    due = None if event.due_at is None else f"due {format_clock(event.due_at)}"
    details = (event.reason, position, due, event.account and f"by {event.account}")
    return ", ".join(str(detail) for detail in details if detail)
