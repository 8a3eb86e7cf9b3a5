"""What one ownership of the send topic needs of Kafka, of the browser and of the process. It decides nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from streams.contract.account import AccountRecord
from streams.contract.inbound import InboundMessage
from streams.domain.accounts.linking import LinkedNumber
from streams.domain.phone.events import Event
from streams.sender.attempts.media_fetcher import Media
from streams.sender.attempts.submitter import Fence
from streams.sender.claim_store import Table
from streams.sender.clock import Clock
from streams.sender.forgetting.instructions import ForgetInstructions
from streams.sender.groups import PublishGroups
from streams.sender.metrics import Metrics
from streams.whatsapp.driver import Driver, SessionState


@dataclass(frozen=True, slots=True)
class Ports:
    """What an ownership needs of Kafka and of the browser.

    `publish_events` writes to the phone log, `publish_account` to `wa.accounts`, `publish_inbound` to `wa.inbound`,
    `publish_groups` and `store_number` to `wa.internal.accounts`; what they wrote is durable when they return.
    `catch_up_requests` returns when all is applied that persons have requested; False: that takes too long. `media`
    fetches files by URL. `read_send_end` gives the end offset of the send topic. `nack` is for records that stay
    without an outcome, `on_failure` for an error that must end the process. `show_session` shows a person the QR code.
    """

    table: Table
    read_send_end: Callable[[], Awaitable[int]]
    fence: Fence
    make_driver: Callable[[], Driver]
    publish_events: Callable[[Sequence[Event]], Awaitable[object]]
    publish_account: Callable[[AccountRecord], Awaitable[object]]
    publish_inbound: Callable[[Sequence[InboundMessage]], Awaitable[object]]
    publish_groups: PublishGroups
    nack: Callable[[Any], object]
    on_failure: Callable[[BaseException], object]
    media: Media
    metrics: Metrics
    clock: Clock
    store_number: Callable[[LinkedNumber], Awaitable[object]]
    catch_up_requests: Callable[[], Awaitable[bool]]
    forget_instructions: ForgetInstructions
    show_session: Callable[[SessionState], object] = lambda session: None
