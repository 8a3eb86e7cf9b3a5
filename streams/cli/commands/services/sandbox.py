"""`sandbox`: the simulated WhatsApp in the foreground."""

import click

from streams.cli import output
from streams.cli.options import name_option
from streams.local import data_dir
from streams.observability.run_file import managed_run_file
from streams.settings import load

_MAX_MS = 86_400_000  # a day


@click.command()
@name_option
@click.option("--auto-scan", is_flag=True, help="let a phone scan every QR code that is shown")
@click.option(
    "--ack-delay-ms",
    type=click.IntRange(0, _MAX_MS),
    default=0,
    show_default=True,
    help="delay of each ack",
)
@click.option(
    "--read-ms",
    type=click.IntRange(0, _MAX_MS),
    help="from delivery to reading; without it: never read",
)
@click.option("--json", "as_json", is_flag=True, help="print a JSON object once it is ready")
def sandbox(
    name: str | None, auto_scan: bool, ack_delay_ms: int, read_ms: int | None, as_json: bool
) -> int:
    """Run a simulated WhatsApp on this machine, for tests and demos."""
    from streams.sandbox import app

    settings = load()
    data_dir.prepare(settings, output.print_note)
    with managed_run_file(settings.data_dir, name or "sandbox") as publish_url:
        return app.run(
            data_dir=settings.data_dir,
            port=settings.sandbox_port,
            auto_scan=auto_scan,
            ack_delay_ms=ack_delay_ms,
            read_ms=read_ms,
            as_json=as_json,
            on_ready=publish_url,
        )
