"""`bench`: measure this machine with a simulated WhatsApp, and print the figures."""

import os
import platform

import click

from streams.bench.figures import COLUMNS
from streams.bench.play import BenchOptions, measure
from streams.cli import output

_NOTICE = (
    "WhatsApp is SIMULATED: no message leaves this machine. These are the figures of the machine, without WhatsApp's"
    " network and without limits. A real account keeps WA_ACCOUNT_RATE_PER_MINUTE."
)


@click.command()
@click.option(
    "--messages", default=500, show_default=True, type=click.IntRange(1, 100_000),
    help="how many are sent at once; a tenth of them, at least ten, is sent one by one before",
)  # fmt: skip
@click.option(
    "--accounts", default=1, show_default=True, type=click.IntRange(1, 16),
    help="how many senders, each with a browser of its own",
)  # fmt: skip
@click.option(
    "--ack-ms", default=150, show_default=True, type=click.IntRange(0, 60_000),
    help="how late the simulated server answers, in milliseconds",
)  # fmt: skip
@output.json_option
def bench(messages: int, accounts: int, ack_ms: int, *, as_json: bool) -> None:
    """Measure this machine with a simulated WhatsApp.

    How soon a single message is accepted, sent and delivered, and how many messages are accepted and sent in a second.
    """
    output.print_note(_NOTICE)
    machine = (
        f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    )
    output.print_note(f"{machine}, load {os.getloadavg()[0]:.1f} before the start")
    rows = measure(BenchOptions(messages, accounts, ack_ms), output.print_note)
    output.print_rows(rows, COLUMNS, as_json=as_json)
