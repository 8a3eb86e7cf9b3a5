"""`send`: ask for one message. `status`: what became of messages."""

import asyncio
import base64
import json
import mimetypes
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click

from streams.cli import output
from streams.cli.time_param import TimeParam, format_clock
from streams.client import SENT_STATUSES, RequestOptions, SendResponse, WhatsApp
from streams.contract import status as wire
from streams.contract.status import StatusEvent
from streams.local import run_dir
from streams.operations.errors import CommandFailed
from streams.settings import load

_MEDIA = ("image", "video", "audio")
_HOUR_S = 3600.0


class _JsonObject(click.ParamType):
    """A JSON object."""

    name = "json"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            parsed = json.loads(str(value))
        except ValueError as error:
            self.fail(f"is not JSON ({error}).")
        if not isinstance(parsed, dict):
            self.fail("must be a JSON object.")
        return parsed


@click.command()
@click.argument("to")
@click.argument("text", required=False)
@click.option("--content", type=_JsonObject(), help="the contract's content, instead of a text")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="a picture, film, sound or document, with TEXT as its caption",
)
@click.option("--id", help="idempotency key; none: a new one")
@click.option("--priority", type=click.Choice(["urgent", "normal", "bulk"]))
@click.option("--category", type=click.Choice(["transactional", "marketing"]))
@click.option("--send-at", help="not before, RFC 3339")
@click.option("--expires-at", help="not after, RFC 3339")
@click.option("--account", help="sending account; none: chosen for the phone")
@click.option("--metadata", type=_JsonObject(), help="echoed in every status")
@click.option("--wait", is_flag=True, help="until it is sent, or ended otherwise")
@click.option("--timeout", "timeout_s", default=60.0, show_default=True, help="seconds to wait")
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
    """Ask for one message to the phone number TO."""
    message_content = _build_content(text, content, file)
    request_options = cast(
        RequestOptions, {name: value for name, value in options.items() if value is not None}
    )
    settings = run_dir.resolve_kafka(load())

    async def send_request() -> SendResponse | StatusEvent:
        async with WhatsApp(settings=settings) as whatsapp:
            if wait:
                request_options.setdefault("priority", "normal")  # to wait is no reason to overtake
                return await whatsapp.send_immediate(
                    to, message_content, id=id, timeout_s=timeout_s, **request_options
                )
            return await whatsapp.send(to, message_content, id=id, **request_options)

    try:
        _print_answer(asyncio.run(send_request()), as_json)
    except TimeoutError:
        raise CommandFailed(
            f"no answer within {timeout_s:g} s; the request stands. Does a dispatcher run (`wa-streams ps`)?"
        ) from None


def _build_content(
    text: str | None, content: dict[str, Any] | None, file: Path | None
) -> str | dict[str, Any]:
    if content is not None and (text is not None or file is not None):
        raise click.UsageError("--content says all of it: leave out TEXT and --file.")
    if content is not None:
        return content
    if file is not None:
        return _build_media(file, text)
    if text is None:
        raise click.UsageError("Nothing to send: give TEXT, --file or --content.")
    return text


def _build_media(file: Path, caption: str | None) -> dict[str, Any]:
    mime = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    kind = mime.partition("/")[0]
    media: dict[str, Any] = {
        "type": kind if kind in _MEDIA else "document",
        "data": base64.b64encode(file.read_bytes()).decode(),
        "mime": mime,
        "filename": file.name,
    }
    return media if caption is None else media | {"caption": caption}


def _print_answer(answer: SendResponse | StatusEvent, as_json: bool) -> None:
    if isinstance(answer, SendResponse):
        fields = {name: value for name, value in asdict(answer).items() if value is not None}
        output.print_json(fields) if as_json else output.print_data(f"{answer.id}: Kafka has it")
        return
    _print_event(answer, as_json)
    if answer.status not in SENT_STATUSES:
        reason = f": {answer.error.code}" if answer.error else ""
        raise CommandFailed(f"{answer.id} was not sent: {answer.status}{reason}")


@click.command()
@click.argument("id", required=False)
@click.option("--follow", "-f", is_flag=True, help="and what comes from now on, until Ctrl-C")
@click.option(
    "--since", "since_s", type=TimeParam(), help="15m, 2h, 7d, or a time; default with an ID: all"
)
@output.json_option
def status(id: str | None, follow: bool, since_s: float | None, as_json: bool) -> None:
    """Print status events: of the request ID, or of all in the last hour."""
    settings = run_dir.resolve_kafka(load())

    async def show() -> int:
        seen: set[str] = set()
        async with WhatsApp(settings=settings) as whatsapp:
            async for event in _select_events(whatsapp, id, follow, since_s):
                if event.event_id not in seen:  # at least once, but a person reads a fact once
                    seen.add(event.event_id)
                    _print_event(event, as_json)
        return len(seen)

    try:
        count = asyncio.run(show())
    except KeyboardInterrupt:
        return
    if id is not None and not count:
        raise CommandFailed(f"no status of {id} is kept; is that the request's id?")


def _select_events(
    whatsapp: WhatsApp, id: str | None, follow: bool, since_s: float | None
) -> AsyncIterator[StatusEvent]:
    if since_s is None and id is None and not follow:
        since_s = time.time() - _HOUR_S
    if not follow:
        return whatsapp.history(id=id, since_s=since_s or 0.0)
    if since_s is None and id is not None:
        since_s = 0.0
    return whatsapp.statuses(id=id, since_s=since_s)


def _print_event(event: StatusEvent, as_json: bool) -> None:
    if as_json:
        output.print_data(wire.encode(event).decode())
        return
    columns = (format_clock(event.at), event.id, event.to or "-", event.status, _describe(event))
    output.print_data("  ".join(each for each in columns if each))


def _describe(event: StatusEvent) -> str:
    """What a person wants to know beside the word."""
    if event.error is not None:
        return f"{event.error.code}: {event.error.detail}"
    position = None if event.queue_position is None else f"{event.queue_position} ahead"
    due = None if event.due_at is None else f"due {format_clock(event.due_at)}"
    details = (event.reason, position, due, event.account and f"by {event.account}")
    return ", ".join(str(each) for each in details if each)
