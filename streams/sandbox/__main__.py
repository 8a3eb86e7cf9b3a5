"""`python -m streams.sandbox`: the simulated WhatsApp alone, for tests of any client."""

import sys
from pathlib import Path

import click

from streams.sandbox.app import run


@click.command()
@click.option("--data-dir", type=click.Path(path_type=Path), required=True, help="what it keeps")
@click.option("--port", default=8765, show_default=True, help="of the control; 0: any free one")
@click.option("--page-port", default=0, help="of the page; 0: any free one")
@click.option("--auto-scan", is_flag=True, help="a phone scans whatever page shows a code")
@click.option("--ack-delay-ms", default=0, show_default=True, help="before each ack")
@click.option(
    "--delivery-ms", default=20, show_default=True, help="from ack to delivery; -1: never"
)
@click.option(
    "--read-ms", default=-1, show_default=True, help="from delivery to reading; -1: never"
)
@click.option("--qr-ttl-s", default=20.0, show_default=True, help="how long a code is shown")
@click.option("--json", "as_json", is_flag=True, help="say that it is ready as JSON")
def main(delivery_ms: int, read_ms: int, **options: object) -> None:
    """Play WhatsApp until SIGTERM or SIGINT."""
    sys.exit(
        run(
            delivery_ms=None if delivery_ms < 0 else delivery_ms,
            read_ms=None if read_ms < 0 else read_ms,
            **options,  # pyright: ignore[reportArgumentType]
        )
    )


if __name__ == "__main__":
    main()
