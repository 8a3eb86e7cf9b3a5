"""One ownership of the send topic: from the recovery of its table until the partition is revoked.

Everything that may touch WhatsApp or the table lives in here and has ended when `close` returns. So only the next
ownership, in whichever process that is, reconciles the claims that this one left open.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine
from typing import Any

from streams.contract.account import AccountRecord
from streams.domain.accounts.linking import Instructions
from streams.sender.account import AccountPublisher
from streams.sender.attempts.prelude import Prelude, make_typing_rule
from streams.sender.attempts.runner import AttemptRunner
from streams.sender.attempts.submitter import make_limits
from streams.sender.browser_session import BrowserSession
from streams.sender.claim_store import ClaimStore
from streams.sender.conclusion import ResultWriter
from streams.sender.forgetting.forgetter import Forgetter
from streams.sender.groups import GroupReporter
from streams.sender.inbound.downloads import make_downloader, make_store
from streams.sender.inbound.follower import InboundFollower
from streams.sender.inbound.position_store import PositionStore
from streams.sender.linking.controller import LinkController
from streams.sender.monitoring.page_monitor import PageMonitor
from streams.sender.new_chats import NewChatGuard
from streams.sender.pace.account_pace import AccountPace, make_pace_rules
from streams.sender.pipeline import CLOSE_TIMEOUT_S, SendPipeline
from streams.sender.ports import Ports
from streams.sender.receipts import ReceiptTracker
from streams.sender.restrictions import RestrictionStore
from streams.sender.upkeep import Upkeep
from streams.settings import Settings
from streams.system.tasks import cancel_tasks
from streams.whatsapp.driver import LateRefusal, Phase, Receipt, Received, SessionState
from streams.whatsapp.incoming import IncomingHint

log = logging.getLogger(__name__)


class SendTopicOwnership:
    """Wires the parts of one ownership together, and opens and closes them in order."""

    def __init__(self, settings: Settings, account: str, ports: Ports) -> None:
        self._ports, clock = ports, ports.clock
        self._claim_store = ClaimStore(
            ports.table,
            idempotency_window_s=settings.idempotency_window_s,
            now_s=clock.now_s,
            read_send_end=ports.read_send_end,
            is_to_forget=ports.forget_instructions.covers,
        )
        self._restrictions = RestrictionStore(
            self._claim_store, lambda: self._account_publisher.notify_change()
        )
        self._pace = AccountPace(
            make_pace_rules(settings),
            claim_store=self._claim_store,
            restrictions=self._restrictions,
            clock=clock,
        )
        self._new_chats = NewChatGuard(
            self._claim_store,
            self._restrictions,
            lambda: self._account_publisher.notify_change(),
            clock.now_s,
            self._pace,
        )
        self._page_monitor = PageMonitor(account, ports.metrics)
        self._account_publisher = AccountPublisher(
            account,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            restrictions=self._restrictions,
            new_chats=self._new_chats,
            pace=self._pace,
            publish=self._publish_account,
            clock=clock,
            get_linked_phone=lambda: self._link_controller.linked_phone,
        )
        self._link_controller = LinkController(
            account,
            lambda: self.browser_session,
            store_number=ports.store_number,
            catch_up=ports.catch_up_requests,
            clock=clock,
        )
        self._receipts = ReceiptTracker(
            account=account,
            claim_store=self._claim_store,
            publish=ports.publish_events,
            metrics=ports.metrics,
            now_s=clock.now_s,
        )
        self.browser_session = BrowserSession(
            lambda: ports.metrics.acks.follow(ports.make_driver()),
            on_change=self._on_session_change,
            on_received=self._on_received,
            clock=clock,
            admit=self._link_controller.admit,
        )
        self._groups = GroupReporter(
            account=account,
            browser_session=self.browser_session,
            publish=ports.publish_groups,
            now_s=clock.now_s,
        )
        media_store, get_page = make_store(settings), self.browser_session.get_ready_driver
        self._inbound = InboundFollower(
            account,
            positions=PositionStore(self._claim_store),
            downloader=make_downloader(settings, account, media_store, get_page),
            get_page=get_page,
            publish_messages=ports.publish_inbound,
            publish_events=ports.publish_events,
            on_published=ports.metrics.record_inbound,
            now_s=clock.now_s,
        )
        self._runner = AttemptRunner(
            browser_session=self.browser_session,
            claim_store=self._claim_store,
            pace=self._pace,
            restrictions=self._restrictions,
            new_chats=self._new_chats,
            limits=make_limits(settings),
            prelude=Prelude(
                browser_session=self.browser_session,
                pace=self._pace,
                new_chats=self._new_chats,
                typing=make_typing_rule(settings),
                clock=clock,
            ),
            fence=ports.fence,
            on_paced=self._account_publisher.notify_change,
            on_refused=ports.metrics.record_refusal,
            media=ports.media,
            clock=clock,
        )
        self.pipeline = SendPipeline(
            account=account,
            namespace=settings.topic_prefix,
            runner=self._runner,
            results=ResultWriter(
                account=account,
                claim_store=self._claim_store,
                publish=ports.publish_events,
                on_concluded=self._receipts.watch,
                now_s=clock.now_s,
            ),
            nack=ports.nack,
            on_failure=ports.on_failure,
            metrics=ports.metrics,
        )
        self._forgetter = Forgetter(
            account,
            instructions=ports.forget_instructions,
            claim_store=self._claim_store,
            recipients=self._pace.recipients,
            media_store=media_store,
            get_page=self.browser_session.get_ready_driver,
            on_forgotten=self._receipts.forget,
            clock=clock,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._upkeep = Upkeep(
            claim_store=self._claim_store,
            pace=self._pace,
            receipts=self._receipts,
            page_monitor=self._page_monitor,
            runner=self._runner,
            get_driver=lambda: self.browser_session.driver,
            is_idle=lambda: not len(self.pipeline),
            clock=clock,
        )

    # -- life

    async def open(self, instructions: Instructions | None = None) -> None:
        """Read the rows, then begin. `instructions`: what persons have requested."""
        await self._claim_store.open()
        await self._upkeep.load_recent_sends()
        self._restrictions.load()
        self._pace.load()
        self.apply_instructions(instructions or Instructions())
        self._new_chats.load()
        self.pipeline.open()
        self._spawn(self._receipts.run(), "receipts")
        self._spawn(self._inbound.run(), "inbound")
        self._spawn(self._account_publisher.run(), "account")
        self._spawn(self._link_controller.run(), "link")
        self._spawn(self._groups.run(), "groups")
        self._spawn(self._forgetter.run(), "forget")
        self._spawn(self._upkeep.refresh_acks(), "ack-refresh")
        self._spawn(self._upkeep.sweep_claims(), "sweep")
        self._spawn(self._upkeep.collect_garbage(), "gc")
        self._spawn(self._pace.delivery_watch.run(), "delivery-watch")
        self.browser_session.open()

    async def close(self) -> None:
        """Finish what can be finished soon, end the browser, publish that the account has stopped."""
        self._account_publisher.begin_stop()
        await self.pipeline.close()
        await self.browser_session.close()
        await cancel_tasks(*self._tasks)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._claim_store.flush()
                await self._account_publisher.publish_stopped()
        except TimeoutError:
            log.warning("the broker does not answer: the account is not published as stopped")

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        task.add_done_callback(self._on_task_done)
        self._tasks.append(task)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._ports.on_failure(error)

    def apply_instructions(self, instructions: Instructions) -> None:
        """Persons request this for the account, and these are the numbers of all accounts."""
        request = instructions.request
        if request is not None and request != self._restrictions.request:
            self._restrictions.apply_request(request)
        self._link_controller.set_instructions(instructions)
        if self.browser_session.driver is not None:
            self._spawn(self._runner.stop_turns(), "stop-turns")
        self._account_publisher.notify_change()

    # -- the session

    @property
    def account_record(self) -> AccountRecord:
        """The account at this moment, whether it is published yet or not."""
        return self._account_publisher.make_record(self.browser_session.state)

    async def _publish_account(self, record: AccountRecord) -> None:
        self._ports.metrics.record_account(record)
        await self._ports.publish_account(record)

    def _on_session_change(self, session: SessionState) -> None:
        self._restrictions.record_session(session)
        self._pace.update_session(session)
        self._new_chats.update_session(session)
        self._account_publisher.update_session(session)
        self._ports.show_session(session)
        self._page_monitor.update(session)
        if session.phase is Phase.READY:
            self._upkeep.notify_ready()
            self._inbound.notify_ready()
            self._forgetter.notify()

    def _on_received(self, received: Received) -> None:
        match received:
            case IncomingHint():
                self._inbound.notify(received)
            case LateRefusal():
                self._spawn(self._runner.refuse_late(received), "late-refusal")
            case Receipt():
                self._receipts.receive(received)
