"""A sender lists the groups of its account, without a browser and without Kafka."""

import pytest

from streams.domain.accounts.groups import REFRESH_S, AccountGroup, GroupReport
from streams.sender.groups import GroupReporter
from streams.whatsapp.driver import Phase
from streams.whatsapp.groups import Group
from tests.sender.fast import FastSender

PARCELS = Group("120363000000000002@g.us", "Parcels", 3, can_write=True)
NEWS = Group("120363000000000001@g.us", "News", 9, can_write=False)


@pytest.mark.parametrize("is_ready", [True, False])
async def test_the_list_is_published_when_it_says_something_new(is_ready: bool) -> None:
    """Sorted, once for each change and once in a while; a session that is not ready lists nothing."""
    sender = FastSender()
    await sender.open()
    published: list[GroupReport] = []

    async def publish(report: GroupReport) -> None:
        published.append(report)

    reporter = GroupReporter(
        account="main",
        browser_session=sender.session,
        publish=publish,
        now_s=lambda: sender.now_s,
    )
    if not is_ready:
        sender.driver.set_phase(Phase.SYNCING)
    sender.driver.groups = [PARCELS]
    await reporter.run_once()
    await reporter.run_once()
    sender.driver.groups = [PARCELS, NEWS]
    await reporter.run_once()
    assert [len(report.groups) for report in published] == ([1, 2] if is_ready else [])
    sender.now_s += REFRESH_S
    await reporter.run_once()
    assert len(published) == (3 if is_ready else 0)
    await sender.close()
    if is_ready:
        first = AccountGroup(id=NEWS.id, subject="News", size=9, can_write=False)
        assert published[-1].groups[0] == first
        assert published[-1].listed_at_s == sender.now_s
