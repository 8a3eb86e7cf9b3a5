"""`doctor`: one line for each thing that is checked; exit code 1 if something required is missing."""

import asyncio

import click
import msgspec

from streams.cli import output
from streams.local.doctor import Page, check_all
from streams.operations.checks import Check
from streams.operations.errors import CommandFailed
from streams.settings import Settings, load


@click.command()
@click.option("--sandbox", is_flag=True, help="check the page of a simulated WhatsApp instead")
@click.option("--page/--no-page", default=True, help="whether to open WhatsApp's page in a browser")
@output.json_option
def doctor(sandbox: bool, page: bool, as_json: bool) -> None:
    """Check this machine.

    What is installed, what answers, and what WhatsApp's page offers.
    """
    chosen_page = Page.NONE if not page else Page.SANDBOX if sandbox else Page.WHATSAPP
    missing = asyncio.run(_run_checks(load(), chosen_page, as_json))
    if missing:
        raise CommandFailed(f"missing: {', '.join(missing)}")


async def _run_checks(settings: Settings, page: Page, as_json: bool) -> list[str]:
    missing: list[str] = []
    async for check in check_all(settings, page):
        if as_json:
            output.print_json(msgspec.to_builtins(check))
        else:
            output.print_data(_format_check(check))
        if check.required and not check.ok:
            missing.append(check.name)
    return missing


def _format_check(check: Check) -> str:
    status = "ok" if check.ok else "missing" if check.required else "absent"
    advice = "" if check.ok or not check.advice else f"  → {check.advice}"
    return f"{status:<8} {check.name:<12} {check.detail}{advice}"
