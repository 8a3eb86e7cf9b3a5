"""`python -m streams.sandbox`: runs the sandbox alone, for tests of any client. Only parses options."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click

from streams.sandbox.app import run
from streams.sandbox.state.faults import Defaults
from streams.system.private_files import keep_files_private

_NAMES = [field.name for field in dataclasses.fields(Defaults)]


def _parse_assignment(text: str) -> tuple[str, Any]:
    name, is_assignment, value = text.partition("=")
    if not is_assignment or name not in _NAMES:
        raise click.BadParameter(f"{text}: needs NAME=VALUE; the names are {', '.join(_NAMES)}")
    return name, json.loads(value)


@click.command()
@click.option(
    "--data-dir", type=click.Path(path_type=Path), required=True, help="the folder of its data"
)
@click.option(
    "--port",
    default=8765,
    show_default=True,
    help="port of the control interface; 0: any free port",
)
@click.option("--page-port", default=0, help="port of the page; 0: any free port")
@click.option("--auto-scan", is_flag=True, help="a phone scans every QR code that a page shows")
@click.option("--ack-delay-ms", default=0, show_default=True, help="delay before each ack")
@click.option(
    "--delivery-ms", default=20, show_default=True, help="time from ack to delivery; -1: never"
)
@click.option(
    "--read-ms", default=-1, show_default=True, help="time from delivery to reading; -1: never"
)
@click.option("--qr-ttl-s", default=20.0, show_default=True, help="how long a QR code is shown")
@click.option(
    "--set",
    "behaviour",
    multiple=True,
    callback=lambda _context, _option, texts: dict(map(_parse_assignment, texts)),
    metavar="NAME=VALUE",
    help="any of the defaults in state/faults.py; the value is JSON",
)
@click.option("--json", "as_json", is_flag=True, help="print the ready line as JSON")
def main(delivery_ms: int, read_ms: int, **options: object) -> None:
    """Simulate WhatsApp until SIGTERM or SIGINT."""
    keep_files_private()
    sys.exit(
        run(
            delivery_ms=None if delivery_ms < 0 else delivery_ms,
            read_ms=None if read_ms < 0 else read_ms,
            **options,  # pyright: ignore[reportArgumentType]
        )
    )


if __name__ == "__main__":
    main()
