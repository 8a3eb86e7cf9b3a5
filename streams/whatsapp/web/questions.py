"""Questions to a ready page that may stay without an answer: the caller can do without it, or asks again.

No submit and no look-up may go this way: for them, no answer is a result of its own (answers.py).
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from streams.whatsapp.errors import AdapterError, PageFailure
from streams.whatsapp.web.page import WhatsAppPage

log = logging.getLogger(__name__)


class PageQuestions:
    """A question without an answer is logged once for the same reason in a row, until it is answered.

    A starting account is asked every second, and what fails after the start has another reason.
    """

    def __init__(self, require_page: Callable[[], WhatsAppPage]) -> None:
        """`require_page` gives the page, or raises PageFailure while it is not ready."""
        self._require_page = require_page
        self._reasons: dict[str, str] = {}  # of the questions without an answer

    async def ask(
        self, call: str, argument: Mapping[str, object], timeout_s: float
    ) -> Mapping[str, Any] | None:
        """The answer of the page; None: there is none now."""
        try:
            answer = await self._require_page().call(call, argument, timeout_s)
        except (AdapterError, PageFailure) as error:
            if self._reasons.get(call) != str(error):
                log.info("%s: the page gives no answer: %s", call, error)
            self._reasons[call] = str(error)
            return None
        self._reasons.pop(call, None)
        return answer
