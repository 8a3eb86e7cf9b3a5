"""`accounts`: list the sending accounts, link one with a phone."""

import asyncio
import sys

import click
import msgspec

from streams.cli import output
from streams.cli.commands import account_requests
from streams.cli.options import sandbox_option
from streams.cli.rendering import format_link_instructions, render_qr
from streams.cli.time_param import format_minute
from streams.contract.account import AccountRecord
from streams.local import run_dir
from streams.observability.run_file import read_run_file
from streams.operations import accounts as operations
from streams.operations.sandbox import find_sandbox_url
from streams.sandbox.client import SandboxClient, SandboxRefused
from streams.settings import load
from streams.whatsapp.reasons import explain_reason

# Together not wider than 80 characters; the rest is in `--json`.
_COLUMNS = ("account", "state", "reason", "until", "new_chats", "phone")


@click.group()
def accounts() -> None:
    """List, link, add, remove, pause and resume the sending accounts."""


for command in (
    account_requests.add,
    account_requests.remove,
    account_requests.pause,
    account_requests.resume,
):
    accounts.add_command(command)


@accounts.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the accounts with their states, what limits them, and until when."""
    settings = run_dir.resolve_kafka(load())
    records = asyncio.run(operations.list_accounts(settings))
    make_row = _to_json if as_json else _to_row
    rows = [make_row(name, record) for name, record in records.items()]
    output.print_rows(rows, _COLUMNS, as_json=as_json)
    for record in records.values():
        if record is not None and (explanation := explain_reason(record.reason or "")):
            output.print_note(f"{record.account}: {explanation}")


def _to_json(name: str, record: AccountRecord | None) -> dict[str, object]:
    if record is None:
        return {"account": name, "state": "stopped", "reason": "it has never run"}
    return msgspec.to_builtins(record)


def _to_row(name: str, record: AccountRecord | None) -> dict[str, object]:
    if record is None:
        return _to_json(name, record)
    is_syncing = record.progress is not None
    return {
        "account": name,
        "state": f"{record.state} {record.progress} %" if is_syncing else record.state,
        "reason": record.reason,
        "until": record.until and format_minute(record.until),
        "new_chats": _describe_new_chats(record),
        "phone": record.phone,
    }


def _describe_new_chats(record: AccountRecord) -> str:
    """How much of the quota is used (`180/200`), else whether new chats are allowed."""
    quota = record.new_chat_quota
    if quota is not None and (record.new_chats_allowed or record.reason == "new_chats_capped"):
        return f"{quota.used}/{quota.total}"
    return "yes" if record.new_chats_allowed else "no"


@accounts.command()
@click.argument("account")
@click.option("--timeout", "timeout_s", default=300.0, show_default=True, help="seconds to wait")
@sandbox_option
@output.json_option
def link(account: str, timeout_s: float, sandbox: bool, as_json: bool) -> None:
    """Show the QR codes of ACCOUNT until a phone has scanned one. Its sender must be running."""
    settings = run_dir.resolve_kafka(load())
    operations.require_account(settings, account)
    if read_run_file(settings.data_dir, f"sender-{account}") is None:
        output.print_note(
            f"no sender of {account} runs on {settings.data_dir}; waiting for one elsewhere"
        )
    sandbox_client = SandboxClient(find_sandbox_url(settings)) if sandbox else None

    async def show_code(qr: str) -> None:
        if sandbox_client is None:
            code = render_qr(qr, use_colors=sys.stderr.isatty())
            output.print_note(f"{format_link_instructions(account)}\n{code}")
        else:
            await _scan(sandbox_client, qr, is_quiet=as_json)

    record = asyncio.run(
        operations.wait_until_linked(settings, account, show_code, timeout_s=timeout_s)
    )
    if as_json:
        output.print_json(msgspec.to_builtins(record))
    else:
        output.print_data(f"{account} is linked with {record.phone}")


async def _scan(sandbox_client: SandboxClient, qr: str, *, is_quiet: bool) -> None:
    try:
        await asyncio.to_thread(sandbox_client.scan, qr)
    except SandboxRefused as error:  # the code has expired; the next one follows
        if not is_quiet:
            output.print_note(str(error))
