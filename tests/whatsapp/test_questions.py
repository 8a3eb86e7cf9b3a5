"""A question that the page does not answer is logged once, until it is answered again."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from streams.whatsapp.errors import AdapterError, PageFailure, PageHung, PageLost
from streams.whatsapp.web.page import WhatsAppPage
from streams.whatsapp.web.questions import PageQuestions
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_browser_config


class Page:
    """A page that answers, unless it has an error to raise."""

    def __init__(self) -> None:
        self.error: AdapterError | PageFailure | None = PageLost("the session is starting")

    def require(self) -> WhatsAppPage:
        """It is not ready while it is lost."""
        if isinstance(self.error, PageLost):
            raise self.error
        return cast("WhatsAppPage", self)

    async def call(self, call: str, _: object, timeout_s: float) -> Mapping[str, Any]:
        """Answer with the name of the call."""
        if self.error is not None:
            raise self.error
        return {"call": call}


@pytest.mark.parametrize("error", [PageHung("no answer"), AdapterError("page_error", "no")])
async def test_it_is_logged_again_after_an_answer(
    caplog: pytest.LogCaptureFixture, error: AdapterError | PageFailure
) -> None:
    """A starting account is asked every second. Another question and another reason have a line of their own."""
    page = Page()
    questions = PageQuestions(page.require)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert await questions.ask("list_groups", {}, 1.0) is None
        assert await questions.ask("read_acks", {}, 1.0) is None
        page.error = None
        assert await questions.ask("list_groups", {}, 1.0) == {"call": "list_groups"}
        page.error = error
        for call in ("list_groups", "read_acks") * 2:
            assert await questions.ask(call, {}, 1.0) is None
    calls = [record.message.partition(":")[0] for record in caplog.records]
    assert calls == ["list_groups", "read_acks", "list_groups", "read_acks"]


async def test_another_reason_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    """What fails after a start is not hidden by what failed during it."""
    page = Page()
    questions = PageQuestions(page.require)
    with caplog.at_level(logging.INFO):
        await questions.ask("list_groups", {}, 1.0)
        page.error = AdapterError("page_error", "a module is missing")
        for _ in range(2):
            await questions.ask("list_groups", {}, 1.0)
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == [
        "the session is starting",
        "a module is missing",
    ]


async def test_a_driver_that_is_not_ready_lists_no_groups_and_says_so_once(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Before its browser has started, too."""
    driver = WhatsAppWeb(make_browser_config((), tmp_path))
    with caplog.at_level(logging.INFO):
        assert [await driver.list_groups() for _ in range(3)] == [None] * 3
    assert [record.message for record in caplog.records] == [
        "list_groups: the page gives no answer: the session is starting"
    ]
