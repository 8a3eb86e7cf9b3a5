"""`accounts`: the group, and the list of the sending accounts."""

import asyncio

import click
import msgspec

from streams.cli import account_link, account_requests, output
from streams.cli.time_param import format_minute
from streams.contract.account import AccountRecord, SlowReturn
from streams.domain.accounts.groups import REFRESH_S
from streams.domain.accounts.routing import DEFAULT_WEIGHT, parse_weights
from streams.local import run_dir
from streams.observability.account_status import AccountStatus
from streams.operations import accounts as operations
from streams.operations.groups import read_groups
from streams.settings import load
from streams.whatsapp.reasons import explain_reason

# Together not wider than 80 characters; the rest is in `--json`.
_GROUP_COLUMNS = ("id", "size", "can_write", "subject")
_CAN_WRITE = {True: "yes", False: "no", None: "?"}
MAX_LIST_AGE_S = REFRESH_S + 60.0  # a sender that lives has made a newer one
_COLUMNS = ("account", "state", "reason", "until", "phone")
_DETAILS = ("weight", "sent_today", "daily_cap", "new_chats", "warm_up", "slow_return")


@click.group()
def accounts() -> None:
    """List, link, add, remove, pause, resume and log out the sending accounts."""


for command in (
    account_requests.add,
    account_requests.remove,
    account_requests.pause,
    account_requests.resume,
    account_requests.logout,
    account_link.link,
):
    accounts.add_command(command)


@accounts.command("list")
@output.json_option
def list_(as_json: bool) -> None:
    """List the accounts with their states, what limits them, until when, and what they have sent today.

    An account whose sender has been silent for 30 s is `down`. The weight is that of WA_ACCOUNT_WEIGHTS here.
    """
    settings = run_dir.resolve_kafka(load())
    statuses = asyncio.run(operations.list_accounts(settings)).values()
    weights = parse_weights(settings.account_weights)
    make_row = _to_json if as_json else _to_row
    rows = [
        make_row(status) | {"weight": int(weights.get(status.name, DEFAULT_WEIGHT))}
        for status in statuses
    ]
    output.print_records(rows, _COLUMNS, _DETAILS, as_json=as_json)
    for status in statuses:
        if explanation := explain_reason(status.reason or ""):
            output.print_note(f"{status.name}: {explanation}")


def _to_json(status: AccountStatus) -> dict[str, object]:
    """The record, with the current state: what a silent sender said last is not it."""
    record: dict[str, object] = {}
    if status.record is not None:
        record = msgspec.to_builtins(status.record)
        record["heartbeat_age_s"] = round(status.age_s, 1)
        if status.is_stale:  # no code can be scanned any more
            record |= {"last_state": status.record.state, "qr": None, "pairing_code": None}
    current = {"account": status.name, "state": status.state, "reason": status.reason}
    return record | current | {"stale": status.is_stale}


def _to_row(status: AccountStatus) -> dict[str, object]:
    row: dict[str, object] = {
        "account": status.name,
        "state": status.state,
        "reason": status.reason,
        "phone": status.record and status.record.phone,
    }
    if status.record is None or status.is_stale:
        return row
    if status.record.progress is not None:
        row["state"] = f"{status.state} {status.record.progress} %"
    return row | {
        "until": status.record.until and format_minute(status.record.until),
        "sent_today": status.record.sent_today,
        "daily_cap": status.record.daily_cap,
        "new_chats": _describe_new_chats(status.record),
        "warm_up": _describe_warm_up(status.record),
        "slow_return": _describe_slow_return(status.record.slow_return),
    }


def _describe_new_chats(record: AccountRecord) -> str:
    """How much of the quota is used (`180/200`), else whether new chats are allowed."""
    quota = record.new_chat_quota
    if quota is not None and (record.new_chats_allowed or record.reason == "new_chats_capped"):
        return f"{quota.used}/{quota.total}"
    return "yes" if record.new_chats_allowed else "no"


def _describe_warm_up(record: AccountRecord) -> str | None:
    """The day, and what is left in these 24 hours."""
    warm_up = record.warm_up
    if warm_up is None:
        return None
    new_recipients = _describe_left(warm_up.new_recipients_per_day, warm_up.new_recipients_today)
    messages = _describe_left(record.daily_cap, record.sent_today)
    next_step = warm_up.next_step_at
    until = f", next step {format_minute(next_step)}" if next_step else ""
    return f"day {warm_up.day}, left {messages} messages, {new_recipients} new recipients{until}"


def _describe_left(limit: int | None, used: int) -> str:
    return "any" if limit is None else f"{max(0, limit - used)}/{limit}"


def _describe_slow_return(returning: SlowReturn | None) -> str | None:
    """The parts of the normal pace, and when it is normal again."""
    if returning is None:
        return None
    parts = f"{returning.messages_percent} %, new chats {returning.new_chats_percent} %"
    return f"{parts}, until {format_minute(returning.ends_at)}"


@accounts.command("groups")
@click.argument("account")
@output.json_option
def groups_(account: str, as_json: bool) -> None:
    """List the groups of ACCOUNT: id, size, whether the account may write there, and subject.

    The list is the last one of its sender, which looks every five seconds while the account is ready.
    """
    listed = asyncio.run(read_groups(run_dir.resolve_kafka(load()), account))
    report = msgspec.to_builtins(listed.report)
    if as_json:
        output.print_json(report | {"age_s": round(listed.age_s, 1)})
        return
    rows = [group | {"can_write": _CAN_WRITE[group["can_write"]]} for group in report["groups"]]
    output.print_rows(rows, _GROUP_COLUMNS, as_json=False)
    if listed.age_s > MAX_LIST_AGE_S:
        output.print_note(f"this list is {listed.age_s / 60:.0f} minutes old: is {account} ready?")
    if not listed.report.is_complete:
        output.print_note("the account is in more groups than are listed")
