"""The groups of an account, as its sender has published them. Asks no page: the list says how old it is."""

from dataclasses import dataclass

from streams.domain.accounts.groups import GroupReport, decode_groups, groups_key
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.operations.account_requests import find_accounts
from streams.operations.errors import CommandFailed, UsageError
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class ListedGroups:
    """The list, and how long ago it was made."""

    report: GroupReport
    age_s: float


async def read_groups(settings: Settings, account: str) -> ListedGroups:
    """The last list of the account's sender.

    Raises:
        UsageError: there is no such account.
        CommandFailed: its sender has not published a list yet.
    """
    existing = await find_accounts(settings)
    if account not in existing:
        listed = ", ".join(sorted(existing)) or "none"
        raise UsageError(f"there is no account {account} ({listed}); see `wa-streams accounts add`")
    key, report = groups_key(account), None
    async with open_reader(settings, names(settings).account_requests) as reader:
        async for record in reader.read_to_end():
            if record.key == key:
                report = decode_groups(record.value or b"")
    if report is None:
        raise CommandFailed(
            f"the sender of {account} has not listed its groups yet: it does so as soon as the account "
            "is ready (`wa-streams accounts list`)"
        )
    now_s = await fetch_broker_time_s(settings)
    return ListedGroups(report, max(0.0, now_s - report.listed_at_s))
