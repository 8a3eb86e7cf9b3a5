"""`accounts link`: shows the codes that link an account, until it is linked. Part of the group in accounts.py."""

import asyncio
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import msgspec

from streams.cli import output
from streams.cli.options import sandbox_option, timeout_option
from streams.cli.rendering import format_link_instructions
from streams.contract.account import AccountRecord, describe_account
from streams.local import run_dir
from streams.observability.run_file import read_run_file
from streams.operations import accounts as operations
from streams.operations.linking import link as linking
from streams.operations.sandbox import find_sandbox_url
from streams.sandbox.client import SandboxClient, SandboxRefused
from streams.settings import Settings, load
from streams.system.qr_code import render_qr, write_png

_CODE_LENGTH = 8


@click.command()
@click.argument("account")
@click.option(
    "--code", "pairing_phone", help="link by a code to type into this phone, not by QR code"
)
@click.option(
    "--png",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write the QR code to this file too, and remove it at the end",
)
@click.option(
    "--confirm-number", "confirmed_phone", help="this is the account's number from now on"
)
@timeout_option(300.0)
@sandbox_option
@output.json_option
def link(
    account: str,
    pairing_phone: str | None,
    png: Path | None,
    confirmed_phone: str | None,
    timeout_s: float,
    sandbox: bool,
    as_json: bool,
) -> None:
    """Show the QR codes of ACCOUNT, or a pairing code, until a phone has linked it. Its sender must be running.

    An account keeps the number of its first link: another one needs --confirm-number. A state counts only if the
    running sender has published it now, so the first code may take 10 s.
    """
    settings = run_dir.resolve_kafka(load())
    sandbox_client = SandboxClient(find_sandbox_url(settings)) if sandbox else None
    screen = _LinkScreen(account, sandbox_client, png, is_quiet=as_json)
    try:
        record = asyncio.run(
            _link(settings, account, screen, pairing_phone, confirmed_phone, timeout_s)
        )
    finally:
        screen.close()
    if as_json:
        output.print_json(msgspec.to_builtins(record))
    else:
        output.print_data(f"{account} is linked with {record.phone}")


async def _link(
    settings: Settings,
    account: str,
    screen: "_LinkScreen",
    pairing_phone: str | None,
    confirmed_phone: str | None,
    timeout_s: float,
) -> AccountRecord:
    await operations.require_existing(settings, account)
    sender = read_run_file(settings.data_dir, f"sender-{account}")
    if sender is None:
        output.print_note(
            f"no sender of {account} runs on {settings.data_dir}; waiting for one elsewhere"
        )
    expected_phone = None
    if confirmed_phone is not None:
        number = await linking.confirm_number(settings, account, confirmed_phone)
        expected_phone = number.linked_phone
    await linking.request_link(settings, account, timeout_s=timeout_s, pairing_phone=pairing_phone)
    return await linking.wait_until_linked(
        settings,
        account,
        screen,
        timeout_s=timeout_s,
        owner=f"{socket.gethostname()}:{sender.pid}" if sender else None,
        is_by_pairing_code=pairing_phone is not None,
        expected_phone=expected_phone,
    )


class _LinkScreen:
    """Shows the codes, or lets a phone of the sandbox use them."""

    def __init__(
        self, account: str, sandbox: SandboxClient | None, png: Path | None, *, is_quiet: bool
    ) -> None:
        self._account = account
        self._sandbox = sandbox
        self._png = png
        self._is_quiet = is_quiet
        self._own_phone: str | None = None

    def show_state(self, record: AccountRecord) -> None:
        """One line, so that a person sees why no code comes. A phone of the sandbox is the account's own one."""
        self._own_phone = record.linked_phone
        if not self._is_quiet:
            output.print_note(f"{self._account} is {describe_account(record)}")

    async def show_code(self, qr: str) -> None:
        """Each new code, on stderr and in the file."""
        if self._sandbox is not None:
            scan = partial(self._sandbox.scan, phone=self._own_phone)
            await self._use(scan, qr)
            return
        if self._png is not None:
            write_png(qr, self._png)
            output.print_note(f"{format_link_instructions(self._account)}: {self._png}")
            return
        code = "\n".join(render_qr(qr, use_colors=sys.stderr.isatty()))
        output.print_note(f"{format_link_instructions(self._account)}\n{code}")

    async def show_pairing_code(self, code: str) -> None:
        """Each new code, as the phone asks for it: in two groups."""
        if self._sandbox is not None:
            await self._use(self._sandbox.enter_pairing_code, code)
            return
        shown = f"{code[:4]}-{code[4:]}" if len(code) == _CODE_LENGTH else code
        output.print_note(
            f"{self._account}: on its phone, WhatsApp > Settings > Linked devices > Link a device > Link with "
            f"phone number, and type {shown}"
        )

    async def _use(self, call: Callable[[str], str], code: str) -> None:
        try:
            await asyncio.to_thread(call, code)
        except SandboxRefused as error:  # the code has expired; the next one follows
            if not self._is_quiet:
                output.print_note(str(error))

    def close(self) -> None:
        """Remove the picture: nobody may scan a code that is not needed any more."""
        if self._png is not None:
            self._png.unlink(missing_ok=True)
