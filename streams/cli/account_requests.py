"""`accounts add|remove|pause|resume|logout`: what a person requests. Part of the group in accounts.py."""

import asyncio
from typing import NamedTuple

import click
import msgspec

from streams.cli import output
from streams.cli.options import timeout_option
from streams.contract.account import AccountRecord, describe_account
from streams.domain.accounts.requests import AccountRequest, RequestedState
from streams.local import run_dir
from streams.operations import account_requests as operations
from streams.operations.errors import CommandFailed
from streams.operations.linking.answers import wait_until_applied
from streams.settings import Settings, load

_yes_option = click.option("--yes", is_flag=True, help="do not ask for confirmation")
_wait_option = click.option("--wait", "is_waiting", is_flag=True, help="wait until it is drained")
_timeout_option = timeout_option(300.0)
_answer_option = timeout_option(15.0)  # of a sender: it reads a request within a second


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
@_answer_option
@output.json_option
def pause(account: str, timeout_s: float, as_json: bool) -> None:
    """Pause ACCOUNT: nothing more is dispatched to it until `accounts resume`, also after a restart."""
    answer = _request(account, "paused", timeout_s)
    text = f"{account} is paused; resume it with `accounts resume`"
    _print_answer(answer, text, as_json=as_json)


@click.command()
@click.argument("account")
@_answer_option
@output.json_option
def resume(account: str, timeout_s: float, as_json: bool) -> None:
    """Resume ACCOUNT: ends a pause, and lifts a restriction before its time."""
    answer = _request(account, "active", timeout_s)
    state = describe_account(answer.record) if answer.record else "resumed"
    _print_answer(answer, f"{account} is {state}", as_json=as_json)


@click.command()
@click.argument("account")
@_yes_option
@timeout_option(60.0)
@output.json_option
def logout(account: str, yes: bool, timeout_s: float, as_json: bool) -> None:
    """Log ACCOUNT out of WhatsApp, until `accounts link`, also after a restart.

    A message whose attempt is in doubt ends as `unknown`: what the page knows of it is lost with the link.
    """
    if not yes:
        click.confirm(
            f"Log {account} out? Its phone must link it again, and messages in doubt end as unknown.",
            abort=True,
            err=True,
        )
    answer = _request(account, "logged_out", timeout_s, state="logged_out")
    if answer.record is None:
        raise CommandFailed(
            f"no sender of {account} answers, so it may still be linked: it is logged out as soon as one runs "
            f"(`wa-streams sender --account {account}`); or remove the device on the phone, under Linked devices"
        )
    if answer.record.state != "logged_out":
        raise CommandFailed(
            f"{account} is not logged out after {timeout_s:g} s: it is {describe_account(answer.record)}. "
            "Nothing is sent, and its sender goes on trying"
        )
    _print_answer(answer, f"{account} is logged out; link it with `accounts link`", as_json=as_json)


class _Answer(NamedTuple):
    """A request, and the account's record once its sender acts on it; None: no sender answers."""

    request: AccountRequest
    record: AccountRecord | None


def _request(
    account: str, requested: RequestedState, timeout_s: float, state: str | None = None
) -> _Answer:
    settings = _load_settings()

    async def run() -> _Answer:
        request = await operations.request_state(settings, account, requested)
        record = await wait_until_applied(settings, request, timeout_s=timeout_s, state=state)
        return _Answer(request, record)

    return asyncio.run(run())


def _print_answer(answer: _Answer, text: str, *, as_json: bool) -> None:
    if as_json:
        document = msgspec.to_builtins(answer.request)
        record = answer.record and msgspec.to_builtins(answer.record)
        output.print_json(document | {"acknowledged": answer.record is not None, "record": record})
        return
    output.print_data(text)
    if answer.record is None:
        output.print_note(
            f"no sender of {answer.request.account} answers; the request holds all the same, for the dispatchers now "
            "and for its sender when it starts"
        )


def _load_settings() -> Settings:
    return run_dir.resolve_kafka(load())


def _print_progress(in_flight: int, unreported: int) -> None:
    output.print_note(f"{in_flight} in flight, {unreported} partitions have not reported")


def _print(request: AccountRequest, text: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(msgspec.to_builtins(request))
    else:
        output.print_data(text)
