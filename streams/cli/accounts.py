"""`accounts`: the sending accounts, and linking one with its phone."""

import asyncio
import sys

import click
import msgspec

from streams.cli import output
from streams.cli.screen import format_link_instructions, render_qr
from streams.cli.workers import find_sandbox_url, sandbox_option
from streams.contract.account import AccountRecord
from streams.local import run_dir
from streams.operations import accounts as linking
from streams.operations.errors import CommandFailed, UsageError
from streams.sandbox.client import SandboxClient, SandboxRefused
from streams.settings import Settings, load

_COLUMNS = ("account", "state", "phone", "since", "reason", "sent_today", "owner")


@click.group()
def accounts() -> None:
    """The sending accounts."""


@accounts.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the accounts with their states."""
    settings = run_dir.resolve_kafka(load())
    records = asyncio.run(linking.read_account_records(settings))
    output.print_rows(
        [_to_row(name, records.get(name)) for name in sorted({*settings.accounts, *records})],
        _COLUMNS,
        as_json=as_json,
    )


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
    """Show the QR codes of ACCOUNT until a phone has scanned one. Its sender must run."""
    settings = run_dir.resolve_kafka(load())
    if account not in settings.accounts:
        raise UsageError(f"{account} is none of the accounts ({', '.join(settings.accounts)})")
    if run_dir.read_run_file(settings, f"sender-{account}") is None:
        output.print_note(
            f"no sender of {account} runs on {settings.data_dir}; waiting for one elsewhere"
        )
    sandbox_client = SandboxClient(find_sandbox_url(settings)) if sandbox else None
    try:
        record = asyncio.run(
            _wait_until_linked(settings, account, sandbox_client, timeout_s, as_json)
        )
    except TimeoutError:
        raise CommandFailed(
            f"{account} was not linked within {timeout_s:g} s: is its sender running (`wa-streams ps`)?"
        ) from None
    if as_json:
        output.print_json(msgspec.to_builtins(record))
    else:
        output.print_data(f"{account} is linked with {record.phone}")


async def _wait_until_linked(
    settings: Settings,
    account: str,
    sandbox_client: SandboxClient | None,
    timeout_s: float,
    as_json: bool,
) -> AccountRecord:
    shown_codes: set[str] = set()
    async with asyncio.timeout(timeout_s):
        async for record in linking.follow_account(settings, account):
            if record.state == "ready":
                return record
            if record.qr is not None and record.qr not in shown_codes:
                shown_codes.add(record.qr)
                await _show_code(record.qr, account, sandbox_client, as_json)
    raise AssertionError("unreachable: a topic has no end")


async def _show_code(
    qr: str, account: str, sandbox_client: SandboxClient | None, as_json: bool
) -> None:
    if sandbox_client is None:
        output.print_note(
            f"{format_link_instructions(account)}\n{render_qr(qr, colours=sys.stderr.isatty())}"
        )
        return
    try:
        await asyncio.to_thread(sandbox_client.scan, qr)
    except SandboxRefused as error:  # an old code: the next one comes
        if not as_json:
            output.print_note(str(error))
