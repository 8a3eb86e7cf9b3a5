"""`send`: request one message. `cancel`: withdraw messages that wait."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click
import msgspec

from streams.cli import output
from streams.cli.options import JsonObject, timeout_option
from streams.cli.rendering import print_event
from streams.client import SENT_STATUSES, RequestOptions, SendResponse
from streams.contract.status import StatusEvent
from streams.local import run_dir
from streams.operations import messages
from streams.operations.errors import CommandFailed
from streams.operations.messages import CancelResult
from streams.settings import load


@click.command()
@click.argument("to")
@click.argument("text", required=False)
@click.option("--content", type=JsonObject(), help="a content of the contract, instead of TEXT")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="an image, video, audio or other file to send, with TEXT as its caption",
)
@click.option("--id", help="idempotency key; without it: a new one")
@click.option("--priority", type=click.Choice(["urgent", "normal", "bulk"]))
@click.option("--category", type=click.Choice(["transactional", "marketing"]))
@click.option("--send-at", help="do not send before this time, RFC 3339")
@click.option("--expires-at", help="do not send after this time, RFC 3339")
@click.option("--account", help="sending account; without it: chosen for the recipient")
@click.option("--metadata", type=JsonObject(), help="repeated in every status event")
@click.option("--wait", is_flag=True, help="wait until the message is sent or has failed")
@timeout_option(60.0)
@output.json_option
def send(
    to: str,
    text: str | None,
    content: dict[str, Any] | None,
    file: Path | None,
    id: str | None,
    wait: bool,
    timeout_s: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Request one message to the phone number TO."""
    message_content = _choose_content(text, content, file)
    request_options = cast(
        RequestOptions, {name: value for name, value in options.items() if value is not None}
    )
    settings = run_dir.resolve_kafka(load())
    if not wait:
        response = asyncio.run(messages.send(settings, to, message_content, request_options, id=id))
        _print_response(response, as_json)
        return
    event = asyncio.run(
        messages.send_and_wait(
            settings, to, message_content, request_options, id=id, timeout_s=timeout_s
        )
    )
    print_event(event, as_json=as_json)
    _require_sent(event)


def _choose_content(
    text: str | None, content: dict[str, Any] | None, file: Path | None
) -> str | dict[str, Any]:
    if content is not None and (text is not None or file is not None):
        raise click.UsageError("--content is the whole message: omit TEXT and --file.")
    if content is not None:
        return content
    if file is not None:
        return messages.build_media_content(file, text)
    if text is None:
        raise click.UsageError("Nothing to send: give TEXT, --file or --content.")
    return text


def _print_response(response: SendResponse, as_json: bool) -> None:
    if as_json:
        fields = asdict(response)
        output.print_json({name: value for name, value in fields.items() if value is not None})
    else:
        output.print_data(f"{response.id}: written to Kafka")


def _require_sent(event: StatusEvent) -> None:
    if event.status not in SENT_STATUSES:
        reason = f": {event.error.code}" if event.error else ""
        raise CommandFailed(f"{event.id} was not sent: {event.status}{reason}")


@click.command()
@click.argument("to", required=False)
@click.argument("id", required=False)
@click.option("--batch", "batch_id", help="cancel this batch, instead of TO")
@click.option(
    "--request-id", help="the cancel's own id, under which it is answered; without it: new"
)
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--no-wait", is_flag=True, help="do not wait for the answer")
@timeout_option(15.0)
@output.json_option
def cancel(
    to: str | None,
    id: str | None,
    batch_id: str | None,
    request_id: str | None,
    yes: bool,
    no_wait: bool,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Cancel the message ID to the number TO, all that wait for TO, or a batch.

    What is being sent or was sent is not cancelled. It prints how many messages were cancelled, and ends with 1 if
    none was. With --no-wait, `wa-streams status` with the printed id shows the answer if nothing could be cancelled.
    """
    if (to is None) == (batch_id is None):
        raise click.UsageError("Name either TO or --batch.")
    if id is None and not yes:
        target = f"batch {batch_id}" if batch_id else f"everything that waits for {to}"
        click.confirm(f"Cancel {target}?", abort=True, err=True)
    result = asyncio.run(
        messages.cancel(
            run_dir.resolve_kafka(load()),
            to,
            id,
            batch_id=batch_id,
            request_id=request_id,
            timeout_s=None if no_wait else timeout_s,
        )
    )
    if no_wait:
        _print_response(SendResponse(result.request_id), as_json)
        return
    _print_cancelled(result, as_json=as_json)
    if not result.cancelled:
        raise CommandFailed(_describe_uncancelled(result, timeout_s))


def _print_cancelled(result: CancelResult, *, as_json: bool) -> None:
    if as_json:
        output.print_json(msgspec.to_builtins(result))
        return
    if result.cancelled:
        unknown = (
            f", {result.unknown} may have been sent before (unknown)" if result.unknown else ""
        )
        output.print_data(f"{result.request_id}: cancelled {result.cancelled}{unknown}")


def _describe_uncancelled(result: CancelResult, timeout_s: float) -> str:
    if result.error is not None:
        return f"nothing was cancelled: {result.error.code}: {result.error.detail}"
    if result.unknown:
        return f"nothing was cancelled: {result.unknown} may have been sent before (unknown)"
    return (
        f"nothing was cancelled within {timeout_s:g} s. The cancel {result.request_id} holds: what waits is cancelled "
        "as soon as a dispatcher runs (`wa-streams ps`), and what a sender has, if it comes back unsent"
    )
