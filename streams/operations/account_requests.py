"""What a person requests for an account: pause it, resume it, log it out, remove it, add it.

A request is a record on a compacted topic, so it holds for every process, now and after every restart. Nothing here
starts or stops a process.
"""

import asyncio
import getpass
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import msgspec

from streams.domain.accounts.requests import (
    AccountRequest,
    DrainReport,
    RequestedState,
    decode_report,
    decode_request,
    encode,
    request_key,
)
from streams.kafka import admin
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.connection import bootstrap_servers, translate_errors
from streams.kafka.producing import open_producer, translate_refusals
from streams.kafka.reader import open_reader, read_last_values
from streams.kafka.topics import names
from streams.operations.errors import CommandFailed, UsageError
from streams.settings import Settings

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")  # as in WA_ACCOUNTS
OnProgress = Callable[[int, int], None]


async def read_requests(settings: Settings) -> dict[str, AccountRequest]:
    """The last request for each account that has one."""
    requests: dict[str, AccountRequest] = {}
    async with open_reader(settings, names(settings).account_requests) as reader:
        async for record in reader.read_to_end():
            request = decode_request(record.key or b"", record.value or b"")
            if request is not None:
                requests[request.account] = request
    return requests


async def find_accounts(settings: Settings) -> set[str]:
    """Every account that there is: of the settings, of the senders, and what was added; not what was removed."""
    last = await read_last_values(settings, names(settings).accounts)
    found = {key.decode(errors="replace") for key, value in last.items() if key and value}
    requests = await read_requests(settings)
    removed = {name for name, request in requests.items() if request.requested == "removed"}
    return (found | set(settings.accounts) | requests.keys()) - removed


async def add_account(settings: Settings, account: str) -> AccountRequest:
    """There is an account of this name from now on; its topics are created.

    Raises:
        UsageError: no account can have this name.
        InvalidTopics: the brokers refuse to create a topic.
    """
    if not _NAME.fullmatch(account):
        raise UsageError(
            f"{account} cannot be an account: it needs at most 32 lower-case letters, digits and hyphens"
        )
    accounts = tuple(dict.fromkeys((*settings.accounts, account)))
    await admin.create_topics(replace(settings, accounts=accounts))
    return await _publish(settings, account, "active")


async def request_state(
    settings: Settings, account: str, requested: RequestedState
) -> AccountRequest:
    """Request this of an account that there is.

    Raises:
        UsageError: there is no such account.
    """
    existing = await find_accounts(settings)
    if account not in existing:
        listed = ", ".join(sorted(existing)) or "none"
        raise UsageError(f"there is no account {account} ({listed}); see `wa-streams accounts add`")
    return await _publish(settings, account, requested)


async def _publish(settings: Settings, account: str, requested: RequestedState) -> AccountRequest:
    request = AccountRequest(
        account=account,
        requested=requested,
        by=describe_person(),
        at_s=await fetch_broker_time_s(settings),
    )
    await publish_record(settings, request_key(account), request)
    return request


async def publish_record(settings: Settings, key: bytes, record: msgspec.Struct) -> None:
    """Write a record of `wa.internal.accounts`; it is durable when this returns."""
    topic = names(settings).account_requests
    async with open_producer(settings, topic) as producer:
        with translate_errors(bootstrap_servers(settings)), translate_refusals(topic):
            await producer.send_and_wait(topic, encode(record), key=key)


def describe_person() -> str:
    """Who makes a request, and on which machine."""
    return f"{_get_user()}@{socket.gethostname()}"


def _get_user() -> str:
    """Who makes the request; in a container, the user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


async def wait_until_drained(
    settings: Settings, request: AccountRequest, on_progress: OnProgress, *, timeout_s: float
) -> None:
    """Return when the account of this request has nothing in flight any more.

    `on_progress` is called with how many dispatches it has, and how many partitions have not reported.

    Raises:
        CommandFailed: it took longer.
    """
    reports: dict[int, DrainReport] = {}
    try:
        async with (
            asyncio.timeout(timeout_s),
            open_reader(settings, names(settings).account_requests) as reader,
        ):
            async for record in reader.follow():
                report = decode_report(record.value or b"")
                if report is None or not _is_about(report, request):
                    continue
                reports[report.partition] = report
                in_flight, unreported = _count(settings, reports)
                on_progress(in_flight, unreported)
                if not in_flight and not unreported:
                    return
    except TimeoutError:
        in_flight, unreported = _count(settings, reports)
        raise CommandFailed(
            f"{request.account} still has {in_flight} in flight after {timeout_s:g} s, and {unreported} of "
            f"{settings.partitions} partitions have not reported: do the dispatchers run? It stays removed, and "
            "goes on being drained"
        ) from None


def _is_about(report: DrainReport, request: AccountRequest) -> bool:
    return (report.account, report.requested_at_s) == (request.account, request.at_s)


def _count(settings: Settings, reports: Mapping[int, DrainReport]) -> tuple[int, int]:
    in_flight = sum(report.in_flight for report in reports.values())
    return in_flight, settings.partitions - len(reports)
