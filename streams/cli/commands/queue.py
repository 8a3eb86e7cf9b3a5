"""`queue`: what waits, why, since when and until when, and which account has what."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import click

from streams.cli import output
from streams.cli.time_param import format_minute
from streams.contract.timestamps import format_age, format_rfc3339
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.replication import TOO_FEW_COPIES, fetch_under_replicated
from streams.local import run_dir
from streams.operations import queue as operations
from streams.operations.accounts import describe_accounts
from streams.operations.queue import QueuedMessage, Recipient, RecipientQueue
from streams.settings import Settings, load

_QUEUE_COLUMNS = ("to", "waits", "why", "until", "oldest")
_QUEUE_DETAILS = ("in_flight", "by")
_MESSAGE_COLUMNS = ("priority", "why", "until", "age", "account")
_MESSAGE_DETAILS = ("id",)


@click.command()
@click.argument("phone", required=False)
@output.json_option
def queue(phone: str | None, as_json: bool) -> None:
    """Show what waits and why, for each recipient or, message by message, for PHONE.

    For PHONE it shows the conversation too, and what was decided about marketing messages. If a message waits for an
    account (`no_account`), it shows what limits each account. It reads what the
    dispatchers have stored, so it shows the whole cluster.
    """
    settings = run_dir.resolve_kafka(load())
    recipient = None if phone is None else operations.parse_recipient(settings, phone)
    with output.Progress("reading the queues") as progress:
        queues, about, now_s, unread = asyncio.run(_read(settings, recipient, progress))
        lacking = asyncio.run(fetch_under_replicated(settings))
    if recipient is None:
        rows = [_to_json(queue) if as_json else _to_row(queue, now_s) for queue in queues]
        output.print_records(rows, _QUEUE_COLUMNS, _QUEUE_DETAILS, as_json=as_json)
    else:
        messages = [
            _message_to_json(queue, queued) if as_json else _message_to_row(queued, now_s)
            for queue in queues
            for queued in queue.messages
        ]
        output.print_records(messages, _MESSAGE_COLUMNS, _MESSAGE_DETAILS, as_json=as_json)
    if any(
        queued.explanation.reason == "no_account" for each in queues for queued in each.messages
    ):
        about += asyncio.run(describe_accounts(settings))
    for line in about:
        output.print_note(line)
    output.print_note(_summarize(queues, unread))
    if lacking:
        output.print_note(TOO_FEW_COPIES.format(len(lacking)))


async def _read(
    settings: Settings, phone: str | None, progress: output.Progress
) -> tuple[list[RecipientQueue], list[str], float, int]:
    """The queues, and lines about the only recipient."""
    now_s = await fetch_broker_time_s(settings)
    about: list[str] = []
    if phone is None:
        queues = await operations.read_queues(settings, progress.show)
    else:
        recipient = await operations.read_recipient(settings, phone, now_s, progress.show)
        queues = [recipient.queue] if recipient.queue is not None else []
        about = _describe(recipient, now_s)
    return queues, about, now_s, await operations.count_unread(settings)


def _describe(recipient: Recipient, now_s: float) -> list[str]:
    """Its conversation, and what it has decided about marketing messages."""
    lines: list[str] = []
    if (conversation := recipient.conversation) is not None:
        received = _format_count(
            "received", conversation.received_count, conversation.last_received_at_s, now_s
        )
        sent = _format_count("sent", conversation.sent_count, conversation.last_sent_at_s, now_s)
        account = f" on {recipient.account}" if recipient.account else ""
        lines.append(f"conversation{account}: {received}, {sent}")
    if (consent := recipient.consent) is not None:
        at = format_minute(format_rfc3339(consent.at_s))
        decided_by = "an operator" if consent.source == "operator" else "a message"
        lines.append(f"{consent.status.replace('_', ' ')} since {at}, by {decided_by}")
    return lines


def _format_count(verb: str, count: int, last_s: float, now_s: float) -> str:
    return f"{count} {verb}" + (f" (last {format_age(now_s - last_s)} ago)" if count else "")


def _summarize(queues: list[RecipientQueue], unread: int) -> str:
    waits = sum(len(queue.waiting) for queue in queues)
    in_flight = sum(queue.in_flight is not None for queue in queues)
    overdue = sum(queue.is_overdue for queue in queues)
    text = f"{waits} waiting, {in_flight} in flight, {len(queues)} recipients"
    if overdue:
        text += f"; {overdue} overdue, because their sender does not answer (`wa-streams ps`)"
    if unread:
        text += f"; dispatchers have {unread} records still to read (`wa-streams ps`)"
    return text


def _to_row(queue: RecipientQueue, now_s: float) -> dict[str, Any]:
    in_flight = queue.in_flight
    return {
        "to": queue.row.phone,
        "waits": len(queue.waiting),
        "why": queue.first.explanation.reason,
        "until": _format_until(queue.first),
        "oldest": format_age(now_s - queue.oldest_s),
        "in_flight": in_flight and in_flight.message.id,
        "by": in_flight and in_flight.explanation.account,
    }


def _message_to_row(queued: QueuedMessage, now_s: float) -> dict[str, Any]:
    return {
        "id": queued.message.id,
        "priority": queued.message.priority,
        "why": queued.explanation.reason,
        "until": _format_until(queued),
        "age": format_age(now_s - queued.message.accepted_at_s),
        "account": queued.explanation.account,
    }


def _format_until(queued: QueuedMessage) -> str | None:
    until_s = queued.explanation.until_s
    if not until_s:
        return None
    until = format_rfc3339(until_s)
    local = datetime.fromtimestamp(until_s, UTC).astimezone()
    is_today = local.date() == datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S") if is_today else format_minute(until)


def _to_json(queue: RecipientQueue) -> dict[str, Any]:
    in_flight = queue.in_flight
    return {
        "to": queue.row.phone,
        "waiting": len(queue.waiting),
        "reasons": dict(Counter(queued.explanation.reason for queued in queue.waiting)),
        "reason": queue.first.explanation.reason,
        "until": _format_time(queue.first.explanation.until_s),
        "oldest_accepted_at": _format_time(queue.oldest_s),
        "account": queue.row.account,
        "in_flight": in_flight
        and {"id": in_flight.message.id, "account": in_flight.explanation.account},
    }


def _message_to_json(queue: RecipientQueue, queued: QueuedMessage) -> dict[str, Any]:
    message, explanation = queued.message, queued.explanation
    return {
        "id": message.id,
        "to": queue.row.phone,
        "priority": message.priority,
        "reason": explanation.reason,
        "until": _format_time(explanation.until_s),
        "accepted_at": _format_time(message.accepted_at_s),
        "expires_at": _format_time(message.expires_at_s),
        "account": explanation.account,
        "attempts": message.attempts,
        "batch_id": message.batch_id,
    }


def _format_time(at_s: float) -> str | None:
    return format_rfc3339(at_s) if at_s else None
