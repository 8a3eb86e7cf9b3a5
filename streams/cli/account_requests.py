"""`accounts add|remove|pause|resume`: what a person requests for an account. Part of the group in accounts.py."""

import asyncio

import click
import msgspec

from streams.cli import output
from streams.cli.options import timeout_option
from streams.domain.accounts.requests import AccountRequest, RequestedState
from streams.local import run_dir
from streams.operations import account_requests as operations
from streams.settings import Settings, load

_yes_option = click.option("--yes", is_flag=True, help="do not ask for confirmation")
_wait_option = click.option("--wait", "is_waiting", is_flag=True, help="wait until it is drained")
_timeout_option = timeout_option(300.0)


@click.command()
@click.argument("account")
@output.json_option
def add(account: str, as_json: bool) -> None:
    """Add ACCOUNT and create its topics, or undo its removal. Its sender is started elsewhere."""
    request = asyncio.run(operations.add_account(_load_settings(), account))
    _print(
        request,
        f"{account} is an account now; start its sender with `wa-streams sender --account {account}`, and add it to "
        "WA_ACCOUNTS",
        as_json=as_json,
    )


@click.command()
@click.argument("account")
@_yes_option
@_wait_option
@_timeout_option
@output.json_option
def remove(account: str, yes: bool, is_waiting: bool, timeout_s: float, as_json: bool) -> None:
    """Remove ACCOUNT: nothing more is dispatched to it, and what it has ends.

    Messages that require it fail with `unknown_account`. All others use other accounts. A message whose attempt there
    is in doubt ends as `unknown` after WA_UNKNOWN_AFTER_S.
    """
    if not yes:
        click.confirm(
            f"Remove {account}? Messages that require it fail; others use other accounts.",
            abort=True,
            err=True,
        )
    settings = _load_settings()
    request = asyncio.run(operations.request_state(settings, account, "removed"))
    if is_waiting:
        asyncio.run(
            operations.wait_until_drained(settings, request, _print_progress, timeout_s=timeout_s)
        )
    _print(
        request,
        f"{account} is removed{' and drained' if is_waiting else ''}; stop its sender, and take it out of "
        f"WA_ACCOUNTS. `wa-streams accounts add {account}` undoes it",
        as_json=as_json,
    )


@click.command()
@click.argument("account")
@output.json_option
def pause(account: str, as_json: bool) -> None:
    """Pause ACCOUNT: nothing more is dispatched to it until `accounts resume`, also after a restart."""
    _request(account, "paused", f"{account} is paused; resume it with `accounts resume`", as_json)


@click.command()
@click.argument("account")
@output.json_option
def resume(account: str, as_json: bool) -> None:
    """Resume ACCOUNT: ends a pause, and lifts a restriction before its time."""
    _request(account, "active", f"{account} sends again as soon as it is ready", as_json)


def _request(account: str, requested: RequestedState, text: str, as_json: bool) -> None:
    request = asyncio.run(operations.request_state(_load_settings(), account, requested))
    _print(request, text, as_json=as_json)


def _load_settings() -> Settings:
    return run_dir.resolve_kafka(load())


def _print_progress(in_flight: int, unreported: int) -> None:
    output.print_note(f"{in_flight} in flight, {unreported} partitions have not reported")


def _print(request: AccountRequest, text: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(msgspec.to_builtins(request))
    else:
        output.print_data(text)
