"""`accounts`: the sending accounts, and linking one with its phone."""

import asyncio
import sys

import click
import msgspec

from streams.cli import output
from streams.cli.screen import qr_advice, qr_text
from streams.cli.workers import sandbox_option, sandbox_url
from streams.contract.account import AccountRecord
from streams.local import run_dir
from streams.operations import accounts as linking
from streams.operations.errors import Failed, Wrong
from streams.sandbox.client import Sandbox
from streams.settings import Settings, load

_COLUMNS = ("account", "state", "phone", "since", "reason", "sent_today", "owner")


@click.group()
def accounts() -> None:
    """The sending accounts."""


@accounts.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the accounts with their states."""
    settings = run_dir.connected(load())
    known = asyncio.run(linking.states(settings))
    output.rows(
        [_row(name, known.get(name)) for name in sorted({*settings.accounts, *known})],
        _COLUMNS,
        as_json=as_json,
    )


def _row(name: str, record: AccountRecord | None) -> dict[str, object]:
    if record is None:
        return {"account": name, "state": "stopped", "reason": "it has never run"}
    return msgspec.to_builtins(record)


@accounts.command()
@click.argument("account")
@click.option("--within", default=300.0, show_default=True, help="seconds to wait")
@sandbox_option
@output.json_option
def link(account: str, within: float, sandbox: bool, as_json: bool) -> None:
    """Show the QR codes of ACCOUNT until a phone has scanned one. Its sender must run."""
    settings = run_dir.connected(load())
    if account not in settings.accounts:
        raise Wrong(f"{account} is none of the accounts ({', '.join(settings.accounts)})")
    if run_dir.worker(settings, f"sender-{account}") is None:
        output.say(f"no sender of {account} runs on {settings.data_dir}; waiting for one elsewhere")
    phone = Sandbox(sandbox_url(settings)) if sandbox else None
    try:
        record = asyncio.run(_linked(settings, account, phone, within, as_json))
    except TimeoutError:
        raise Failed(
            f"{account} was not linked within {within:g} s: is its sender running (`wa-streams ps`)?"
        ) from None
    if as_json:
        output.document(msgspec.to_builtins(record))
    else:
        output.data(f"{account} is linked with {record.phone}")


async def _linked(
    settings: Settings, account: str, phone: Sandbox | None, within_s: float, as_json: bool
) -> AccountRecord:
    shown: set[str] = set()
    async with asyncio.timeout(within_s):
        async for record in linking.following(settings, account):
            if record.state == "ready":
                return record
            if record.qr is not None and record.qr not in shown:
                shown.add(record.qr)
                await _offer(record.qr, account, phone, as_json)
    raise AssertionError("unreachable: a topic has no end")


async def _offer(qr: str, account: str, phone: Sandbox | None, as_json: bool) -> None:
    if phone is None:
        output.say(f"{qr_advice(account)}\n{qr_text(qr, colours=sys.stderr.isatty())}")
        return
    try:
        await asyncio.to_thread(phone.scan, qr)
    except Failed as error:  # an old code: the next one comes
        if not as_json:
            output.say(str(error))
