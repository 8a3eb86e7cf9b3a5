"""A console whose broker goes away, or whose dispatchers are gone: it says so, loses nothing, and goes on when they are
back.
"""

from pathlib import Path

import orjson
import pytest
from playwright.async_api import Locator, Page, async_playwright

from streams.domain.alerts import sample as samples
from streams.domain.alerts.sample import Sample
from streams.whatsapp.install import executable
from tests.console.world import PHONE, Topics, Visitor, visit
from tests.support.broker import OwnBroker, make_settings
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(600)]

SILENCE = "Kafka has given no answer since"
BANNER_TIMEOUT_MS = 120_000
MESSAGE = {"to": PHONE, "text": "hello"}


async def post(visitor: Visitor, key: str) -> tuple[int, dict[str, object]]:
    """Send a request through the API."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    url = f"{visitor.url}/api/messages"
    async with visitor.http.post(url, data=orjson.dumps(MESSAGE), headers=headers) as response:
        return response.status, orjson.loads(await response.read())


async def test_a_broker_that_goes_and_comes_back(
    own_broker: OwnBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile a request is answered with 503 and its id, and the pages show what was read before, and say so."""
    monkeypatch.setattr("streams.kafka.broker_clock.PROBE_INTERVAL_S", 1.0)
    monkeypatch.setattr("streams.console.web.console.MAX_KAFKA_SILENCE_S", 5.0)
    monkeypatch.setattr("streams.console.web.api.messages._PRODUCE_TIMEOUT_S", 3.0)
    settings = make_settings(own_broker, tmp_path / "data", partitions=1)
    async with Topics.open(settings) as topics:
        await topics.fill()
        async with visit(settings) as visitor:
            await wait_until(lambda: _shows(visitor, "/queue", "rate_limited"))
            assert (await post(visitor, "before"))[0] == 202
            own_broker.kill()
            status, document = await post(visitor, "during")
            assert (status, document["messages"]) == (503, [{"id": "during", "to": PHONE}])
            assert await _shows(visitor, "/queue", "rate_limited")
            await wait_until(lambda: _shows(visitor, "/queue", SILENCE))
            own_broker.start(print)

            async def is_accepted() -> bool:
                return (await post(visitor, "during"))[0] == 202

            await wait_until(is_accepted)
            await topics.put_event("after", "accepted", 1.0)
            await wait_until(lambda: _shows(visitor, "/search?q=after", "1 message for"))

            async def answers_again() -> bool:
                return not await _shows(visitor, "/queue", SILENCE)

            await wait_until(answers_again)


async def test_open_pages_say_that_kafka_gives_no_answer(
    own_broker: OwnBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker is frozen under open pages: they say so, also one with only a form, until it answers again."""
    monkeypatch.setattr("streams.kafka.broker_clock.PROBE_INTERVAL_S", 1.0)
    monkeypatch.setattr("streams.console.web.console.MAX_KAFKA_SILENCE_S", 5.0)
    settings = make_settings(own_broker, tmp_path / "data", partitions=1)
    program = executable.find_chromium(None)
    async with Topics.open(settings), visit(settings) as visitor, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=str(program.path))
        banners: list[Locator] = []
        for path in ("/queue", "/send"):
            page = await chromium.new_page()
            await page.goto(visitor.url + path)
            banners.append(_find_banner(page))
        for banner in banners:
            await banner.wait_for(state="hidden", timeout=BANNER_TIMEOUT_MS)
        own_broker.suspend()
        for banner in banners:
            await banner.wait_for(timeout=BANNER_TIMEOUT_MS)
        own_broker.resume()
        for banner in banners:
            await banner.wait_for(state="hidden", timeout=BANNER_TIMEOUT_MS)
        await chromium.close()


def _find_banner(page: Page) -> Locator:
    return page.get_by_role("alert").filter(has_text=SILENCE)


async def test_the_overview_says_if_nobody_evaluates_the_alerts(topics: Topics) -> None:
    """An empty list would look as if all were well."""
    async with visit(topics.settings) as visitor:
        await wait_until(lambda: _shows(visitor, "/", "No dispatcher evaluates the alerts now"))

        async def is_current() -> bool:
            sample = Sample(worker="dispatch-1", is_evaluator=True)
            await topics.put("samples", b"dispatch-1", samples.encode(sample))
            return not await _shows(visitor, "/", "No dispatcher evaluates")

        await wait_until(is_current)


async def _shows(visitor: Visitor, path: str, text: str) -> bool:
    return text in (await visitor.get(path))[1]
