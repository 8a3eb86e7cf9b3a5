"""`sender`: the sender of one account in the foreground."""

import click

from streams.cli import output
from streams.cli.options import name_option, sandbox_option
from streams.local import data_dir, run_dir
from streams.operations.accounts import require_account
from streams.operations.doctor.checks import require_free_web_port
from streams.operations.sandbox import use_sandbox
from streams.settings import load


@click.command()
@click.option("--account", required=True, help="the sending account, one of WA_ACCOUNTS")
@click.option(
    "--qr/--no-qr",
    default=True,
    help="print the QR codes that link the account, on stdout (`up` shows them itself)",
)
@name_option
@sandbox_option
def sender(account: str, name: str | None, sandbox: bool, qr: bool) -> int:
    """Run the sender of one account, with its browser."""
    settings = run_dir.resolve_kafka(load())
    require_account(settings, account)
    require_free_web_port(settings)
    data_dir.prepare(settings, output.print_note)
    if sandbox:
        settings = use_sandbox(settings)
    from streams.sender.app import run

    return run(settings, account, name or f"sender-{account}", prints_qr=qr)
