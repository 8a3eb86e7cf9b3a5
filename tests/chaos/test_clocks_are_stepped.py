"""The wall clocks of the broker, or of everything, are set while messages wait for the limit.

No recipient gets more than its limit in any minute, and nothing is late by more than a window.
"""

import asyncio
import time
from pathlib import Path

import pytest

from streams.domain.log_clock import WINDOW_S
from tests.support.caller import Caller
from tests.support.clock.stack import DAY_S, HOUR_S, LIMIT, Conversation, Stack, run_stack

pytestmark = [pytest.mark.broker, pytest.mark.chaos, pytest.mark.timeout(600)]

GRACE_S = 15.0
TIMER_S = 0.3  # between the dispatch, which is measured here, and its outcome, which counts


@pytest.mark.parametrize(
    ("broker_s", "dispatcher_s"),
    [
        (HOUR_S, 0.0),
        (-HOUR_S, 0.0),
        (0.0, 600.0),
        (-DAY_S, -DAY_S),
        (31.0, -31.0),
    ],
)
def test_the_limit_holds_and_nothing_stands_still(
    tmp_path: Path, broker_s: float, dispatcher_s: float
) -> None:
    """Two recipients are at their limit when the clocks are set, and a third one fills up right after."""
    with run_stack(tmp_path) as stack:
        asyncio.run(_converse(stack, broker_s, dispatcher_s))


async def _converse(stack: Stack, broker_s: float, dispatcher_s: float) -> None:
    async with Caller(stack.system.settings).open() as caller:
        conversation = Conversation(stack, caller)
        await conversation.start()
        phones = [await conversation.fill(), await conversation.fill()]
        stack.broker_clock.step(broker_s)
        stack.dispatcher_clock.step(dispatcher_s)
        stepped_s = time.monotonic()
        phones.append(await conversation.fill())
        for phone in phones:
            remaining_s = stepped_s + 2 * WINDOW_S + GRACE_S - time.monotonic()
            await conversation.wait_for_sent(phone, 2 * LIMIT, timeout_s=remaining_s)
            times_s = conversation.dispatch_times_s[phone]
            assert len(times_s) == 2 * LIMIT
            pairs = zip(times_s, times_s[LIMIT:], strict=False)
            assert all(late - early > WINDOW_S - TIMER_S for early, late in pairs)
        await conversation.check_prompt()
