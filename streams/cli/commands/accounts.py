"""`accounts`: list the sending accounts, link one with a phone."""

import asyncio
import sys

import click
import msgspec

from streams.cli import output
from streams.cli.options import sandbox_option
from streams.cli.rendering import format_link_instructions, render_qr
from streams.contract.account import AccountRecord
from streams.local import run_dir
from streams.observability.run_file import read_run_file
from streams.operations import accounts as operations
from streams.operations.sandbox import find_sandbox_url
from streams.sandbox.client import SandboxClient, SandboxRefused
from streams.settings import load
from streams.whatsapp.reasons import explain_reason

_COLUMNS = ("account", "state", "phone", "since", "reason", "sent_today", "owner")


@click.group()
def accounts() -> None:
    """List and link the sending accounts."""


@accounts.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the accounts with their states."""
    settings = run_dir.resolve_kafka(load())
    records = asyncio.run(operations.list_accounts(settings))
    rows = [_to_row(name, record) for name, record in records.items()]
    output.print_rows(rows, _COLUMNS, as_json=as_json)
    for record in records.values():
        if record is not None and (explanation := explain_reason(record.reason or "")):
            output.print_note(f"{record.account}: {explanation}")


def _to_row(name: str, record: AccountRecord | None) -> dict[str, object]:
    if record is None:
        return {"account": name, "state": "stopped", "reason": "it has never run"}
    return msgspec.to_builtins(record)


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
