"""`forget`: remove what is stored of a recipient, and say what stays until when."""

import asyncio
import sys
from typing import Any

import click
from msgspec import to_builtins

from streams.cli import output
from streams.cli.options import timeout_option
from streams.cli.time_param import format_day
from streams.local import run_dir
from streams.operations.forgetting.requesting import ForgetProgress
from streams.operations.forgetting.requesting import forget as request_forgetting
from streams.operations.forgetting.traces import OUTSIDE, Trace, list_traces
from streams.operations.queue import parse_recipient
from streams.settings import Settings, load


@click.command()
@click.argument("phone")
@click.option("--keep-opt-out", is_flag=True, help="keep an opt-out, under a hash of the number")
@click.option("--yes", is_flag=True, help="do not ask for confirmation")
@timeout_option(30.0)
@output.json_option
def forget(phone: str, keep_opt_out: bool, yes: bool, timeout_s: float, as_json: bool) -> None:
    """Remove what is stored of PHONE, a phone number or a group, and list what stays until when.

    Messages that wait are cancelled. One that is being sent ends first. Every account removes what it remembers, and
    deletes the chat in its WhatsApp Web; one that is away does so when it comes back. Run the command again to see how
    far it is: that is safe. Without `--keep-opt-out`, an opt-out is forgotten too.
    """
    settings = run_dir.resolve_kafka(load())
    recipient = parse_recipient(settings, phone)
    if not yes:
        _confirm(recipient)
    progress, traces = asyncio.run(_forget(settings, phone, keep_opt_out, timeout_s))
    result = _describe(progress, traces)
    if as_json:
        output.print_json(result)
    else:
        _print(result, traces)


async def _forget(
    settings: Settings, phone: str, keep_opt_out: bool, timeout_s: float
) -> tuple[ForgetProgress, list[Trace]]:
    progress = await request_forgetting(
        settings, phone, keep_opt_out=keep_opt_out, timeout_s=timeout_s
    )
    return progress, await list_traces(settings)


def _confirm(recipient: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here: give --yes.")
    click.confirm(f"Forget {recipient} for good?", abort=True, err=True)


def _describe(progress: ForgetProgress, traces: list[Trace]) -> dict[str, Any]:
    reports, pending = list(progress.reports.values()), set(progress.pending_accounts)
    answers = sorted(progress.answers.values(), key=lambda answer: answer.account)
    consents = [report.consent for report in reports if report.consent != "none"]
    return {
        "request_id": progress.request_id,
        "is_complete": progress.is_complete,
        "numbers": len(reports),
        "messages": sum(report.messages for report in reports),
        "cancelled": sum(report.cancelled for report in reports),
        "unfinished": sum(report.unfinished for report in reports),
        "consent": consents[0] if consents else "none",
        "accounts": [
            {
                "account": a.account,
                "state": "done",
                "claims": a.claims,
                "files": a.files,
                "had_chat": a.has_chat,
            }
            for a in answers
            if a.account not in pending
        ]
        + [{"account": name, "state": "pending"} for name in sorted(pending)],
        "stays": [to_builtins(trace) for trace in traces],
        "outside": list(OUTSIDE),
    }


def _print(result: dict[str, Any], traces: list[Trace]) -> None:
    output.print_data(
        f"messages removed: {result['messages']}, of which cancelled: {result['cancelled']}; "
        f"consent: {result['consent'].replace('_', ' ')}"
    )
    if result["unfinished"]:
        output.print_data(f"pending, being sent or in doubt: {result['unfinished']}")
    for account in result["accounts"]:
        output.print_data(_describe_account(account))
    rows = [
        {"topic": t.topic, "holds": t.holds, "until": format_day(t.until) if t.until else "-"}
        for t in traces
    ]
    output.print_rows(rows, ("topic", "holds", "until"), as_json=False)
    for note in (*(trace.remedy for trace in traces if trace.remedy), *OUTSIDE):
        output.print_note(f"note: {note}")
    if not result["is_complete"]:
        output.print_note("it goes on by itself; run the command again to see how far it is")


def _describe_account(account: dict[str, Any]) -> str:
    if account["state"] == "pending":
        return f"pending: account {account['account']}, when it is ready"
    chat = "its chat" if account["had_chat"] else "no chat"
    return f"account {account['account']}: {account['claims']} claims, {account['files']} files, {chat}"
