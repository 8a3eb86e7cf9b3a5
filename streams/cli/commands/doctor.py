"""`doctor`: checks this machine and the accounts' browsers; exit code 1 if something must be done."""

import asyncio

import click
import msgspec

from streams.cli import output
from streams.cli.diagnosis_report import format_report
from streams.cli.options import timeout_option
from streams.cli.rendering import print_event
from streams.client import SENT_STATUSES
from streams.local import run_dir
from streams.local.doctor import Page, check_all
from streams.operations.accounts import require_account
from streams.operations.doctor import diagnosis, self_test
from streams.operations.doctor.checks import Check
from streams.operations.doctor.verdict import is_wrong, judge
from streams.operations.errors import CommandFailed
from streams.settings import Settings, load


@click.command()
@click.option("--account", help="diagnose only this account, and not the machine")
@click.option("--live", is_flag=True, help="open the account's browser if no sender of it runs")
@click.option("--send-to-self", is_flag=True, help="send one text from the account to itself")
@click.option("--yes", is_flag=True, help="do not ask before the text is sent")
@timeout_option(120.0)
@click.option("--sandbox", is_flag=True, help="check the page of a simulated WhatsApp instead")
@click.option("--page/--no-page", default=True, help="whether to open WhatsApp's page in a browser")
@output.json_option
def doctor(
    account: str | None,
    live: bool,
    send_to_self: bool,
    yes: bool,
    timeout_s: float,
    sandbox: bool,
    page: bool,
    as_json: bool,
) -> None:
    """Check this machine, and the page of each account whose sender runs here.

    What is installed, what answers, and what WhatsApp's page offers. The report of an account has no
    phone number and no message in it, so it can go into a bug report.
    """
    settings = load()
    for name in filter(None, [account]):
        require_account(settings, name)
    if send_to_self:
        asyncio.run(_send_to_self(settings, account, timeout_s, is_confirmed=yes, as_json=as_json))
        return
    if account is None:
        chosen_page = Page.NONE if not page else Page.SANDBOX if sandbox else Page.WHATSAPP
        missing = asyncio.run(_run_checks(settings, chosen_page, as_json))
    else:
        missing = []
    wrong = asyncio.run(_report_accounts(settings, account, live, timeout_s, as_json))
    if missing or wrong:
        raise CommandFailed("; ".join(_name_problems(missing, wrong)))


def _name_problems(missing: list[str], wrong: list[str]) -> list[str]:
    lists = {"missing": missing, "something is wrong with": wrong}
    return [f"{what}: {', '.join(names)}" for what, names in lists.items() if names]


# -- the machine


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


# -- the accounts


async def _report_accounts(
    settings: Settings, account: str | None, live: bool, timeout_s: float, as_json: bool
) -> list[str]:
    """Print the report of each account that can be diagnosed; returns those with something wrong."""
    wrong: list[str] = []
    for name in [account] if account else settings.accounts:
        sender = diagnosis.find_sender(settings, name)
        if sender is not None:
            report, source = await diagnosis.fetch_diagnosis(settings, sender), "by its sender"
        elif live:
            output.print_note(f"no sender of {name} runs here: opening its browser")
            report = await diagnosis.open_and_diagnose(settings, name, timeout_s)
            source = "by a browser opened for this"
        elif account:
            raise CommandFailed(
                f"no sender of {name} runs on {settings.data_dir}: start it, or open the account's "
                f"browser with `wa-streams doctor --account {name} --live`"
            )
        else:
            continue
        findings = judge(report)
        if as_json:
            builtins = {"account": name, "findings": findings, "diagnosis": report}
            output.print_json(msgspec.to_builtins(builtins))
        else:
            output.print_data(format_report(name, source, findings))
        if is_wrong(findings):
            wrong.append(name)
    return wrong


# -- a message to oneself


async def _send_to_self(
    settings: Settings, account: str | None, timeout_s: float, *, is_confirmed: bool, as_json: bool
) -> None:
    """Send one text for real. Fails if it was not sent; a receipt may be missing."""
    settings = run_dir.resolve_kafka(settings)
    name = account or settings.accounts[0]
    phone = await self_test.find_own_phone(settings, name)
    if not is_confirmed:
        click.confirm(f"Send one text from {name} to its own number?", abort=True, err=True)
    statuses: list[str] = []
    async for event in self_test.send_to_self(settings, name, phone, timeout_s):
        print_event(event, as_json=as_json)
        statuses.append(event.status)
    if not SENT_STATUSES.intersection(statuses):
        last = f" (last status: {statuses[-1]})" if statuses else ""
        raise CommandFailed(f"the text was not sent within {timeout_s:g} s{last}")
    if statuses[-1] == "sent":
        output.print_note(f"sent; no receipt came within {timeout_s:g} s")
