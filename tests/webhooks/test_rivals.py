"""Two processes with one endpoint post everything twice: each of them says so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from streams.domain.alerts.sample import Sample, Series
from streams.settings import load
from streams.webhooks.rivals import MAX_AGE_S, Rivals
from tests.support.waiting import wait_until
from tests.webhooks.receiver import World


def make_sample(process: str, endpoint: str = "a", metric: str = "wa_webhook_paused") -> Sample:
    """What a process publishes."""
    series = (Series(metric, {"endpoint": endpoint}, 0.0),)
    return Sample(worker="webhooks-1", series=series, process=process)


class Clock:
    """A monotonic clock that a test moves."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_another_process_is_named_until_it_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    """Once in the log, and with the endpoints that both have."""
    clock = Clock()
    rivals = Rivals(load({"WA_CONFIG": ""}), "own", ["a", "b"], monotonic_s=clock)
    for _ in range(2):
        rivals.note(make_sample("other"))
        clock.now_s += MAX_AGE_S - 1
    assert rivals.problem is not None
    assert "every event of a too" in rivals.problem
    assert len(caplog.records) == 1
    clock.now_s += 2
    assert rivals.problem is None


@pytest.mark.parametrize(
    "sample",
    [
        None,
        make_sample("own"),
        make_sample(""),
        make_sample("other", endpoint="c"),
        make_sample("other", metric="wa_queue"),
    ],
)
def test_what_is_no_other_process(sample: Sample | None) -> None:
    """This one, a dispatcher, and one with other endpoints."""
    rivals = Rivals(load({"WA_CONFIG": ""}), "own", ["a", "b"])
    rivals.note(sample)
    assert rivals.problem is None


@pytest.mark.broker
async def test_two_machines_with_one_endpoint_are_not_ready(world: World, tmp_path: Path) -> None:
    """A data folder is locked, but each machine has its own."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = replace(world, settings=replace(world.settings, data_dir=folder))
    async with world.deliver() as first, ClientSession() as http:

        async def reason(webhooks: Any) -> str:
            async with http.get(f"{webhooks.server.url}/readyz") as response:
                return f"{response.status} {await response.text()}"

        async def says_it(webhooks: Any) -> bool:
            answer = await reason(webhooks)
            return answer.startswith("503") and "stop one of the two" in answer

        async with other.deliver() as second:
            await wait_until(lambda: says_it(first))
            await wait_until(lambda: says_it(second))
