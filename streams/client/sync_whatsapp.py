"""The class `SyncWhatsApp`: the calls of `WhatsApp` for programs without an event loop.

The event loop runs in a thread of the connection. Threads may share a connection. Nothing is decided here: each call
is the one of the same name in whatsapp.py, with the same errors. A call that Ctrl-C interrupts is cancelled.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, Unpack

from anyio import CancelScope
from anyio.from_thread import BlockingPortal, start_blocking_portal

from streams.client.events import PositionedEvent, PositionedMessage
from streams.client.requests import RequestOptions
from streams.client.responses import SendResponse
from streams.client.whatsapp import WhatsApp
from streams.contract.status import StatusEvent
from streams.settings import ClientSettings

P = ParamSpec("P")
T = TypeVar("T")


class SyncWhatsApp:
    """A connection, used as a context manager. Threads may share it."""

    def __init__(
        self, kafka: str | None = None, *, settings: ClientSettings | None = None, **options: Any
    ) -> None:
        """The arguments are those of `WhatsApp`."""
        self._whatsapp = WhatsApp(kafka, settings=settings, **options)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal: BlockingPortal = stack.enter_context(start_blocking_portal())
            stack.enter_context(self._portal.wrap_async_context_manager(self._whatsapp))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    # -- sending

    def send(
        self,
        to: str,
        content: str | Mapping[str, Any],
        *,
        id: str | None = None,
        answer_timeout_s: float | None = None,
        **options: Unpack[RequestOptions],
    ) -> SendResponse:
        """As `WhatsApp.send`."""
        return self._call(
            self._whatsapp.send, to, content, id=id, answer_timeout_s=answer_timeout_s, **options
        )

    def send_immediate(
        self,
        to: str,
        content: str | Mapping[str, Any],
        *,
        id: str | None = None,
        timeout_s: float = 60.0,
        **options: Unpack[RequestOptions],
    ) -> StatusEvent:
        """As `WhatsApp.send_immediate`."""
        return self._call(
            self._whatsapp.send_immediate, to, content, id=id, timeout_s=timeout_s, **options
        )

    def send_batch(
        self, requests: Iterable[Mapping[str, Any]], *, batch_id: str | None = None
    ) -> list[SendResponse]:
        """As `WhatsApp.send_batch`."""
        return self._call(self._whatsapp.send_batch, list(requests), batch_id=batch_id)

    def cancel(
        self,
        to: str | None = None,
        id: str | None = None,
        *,
        batch_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """As `WhatsApp.cancel`."""
        return self._call(self._whatsapp.cancel, to, id, batch_id=batch_id, request_id=request_id)

    def edit(self, to: str, id: str, body: str, *, request_id: str | None = None) -> str:
        """As `WhatsApp.edit`."""
        return self._call(self._whatsapp.edit, to, id, body, request_id=request_id)

    def revoke(self, to: str, id: str, *, request_id: str | None = None) -> str:
        """As `WhatsApp.revoke`."""
        return self._call(self._whatsapp.revoke, to, id, request_id=request_id)

    def set_consent(self, to: str, consent: str, *, request_id: str | None = None) -> str:
        """As `WhatsApp.set_consent`."""
        return self._call(self._whatsapp.set_consent, to, consent, request_id=request_id)

    def forget(self, to: str, *, keep_opt_out: bool = False, request_id: str | None = None) -> str:
        """As `WhatsApp.forget`."""
        return self._call(
            self._whatsapp.forget, to, keep_opt_out=keep_opt_out, request_id=request_id
        )

    # -- reading

    def statuses(
        self,
        *,
        id: str | None = None,
        to: str | None = None,
        since_s: float | None = None,
        after: str | None = None,
        group: str | None = None,
        skip_lost: bool = False,
    ) -> Generator[PositionedEvent, None, None]:
        """As `WhatsApp.statuses`. Close the generator, or leave the connection, to stop reading."""
        events = self._whatsapp.statuses(
            id=id, to=to, since_s=since_s, after=after, group=group, skip_lost=skip_lost
        )
        return self._iterate(events)

    def inbound(
        self,
        *,
        since_s: float | None = None,
        after: str | None = None,
        group: str | None = None,
        skip_lost: bool = False,
    ) -> Generator[PositionedMessage, None, None]:
        """As `WhatsApp.inbound`; stop as with `statuses`."""
        messages = self._whatsapp.inbound(
            since_s=since_s, after=after, group=group, skip_lost=skip_lost
        )
        return self._iterate(messages)

    def history(
        self, *, id: str | None = None, to: str | None = None, since_s: float = 0.0
    ) -> Generator[PositionedEvent, None, None]:
        """As `WhatsApp.history`."""
        return self._iterate(self._whatsapp.history(id=id, to=to, since_s=since_s))

    def status(self, id: str, to: str | None = None) -> PositionedEvent | None:
        """As `WhatsApp.status`."""
        return self._call(self._whatsapp.status, id, to)

    def _iterate(self, events: AsyncGenerator[T, None]) -> Generator[T, None, None]:
        # A cancelled step may take a moment to end, and a generator cannot be closed while it runs. If Ctrl-C comes
        # just after a step was started, `_call` does not know the step yet; so closing cancels it, too.
        step_lock = asyncio.Lock()
        step_scope: CancelScope | None = None

        async def fetch_next() -> T:
            nonlocal step_scope
            async with step_lock:
                with CancelScope() as step_scope:
                    return await anext(events)
            raise asyncio.CancelledError  # by `close`

        async def close() -> None:
            if step_scope is not None:
                step_scope.cancel()
            async with step_lock:
                await events.aclose()

        try:
            while True:
                try:
                    event = self._call(fetch_next)
                except StopAsyncIteration:
                    return
                yield event
        finally:
            self._call(close)

    def _call(self, function: Callable[P, Awaitable[T]], *args: P.args, **options: P.kwargs) -> T:
        future = self._portal.start_task_soon(partial(function, *args, **options))
        try:
            return future.result()
        except BaseException:
            future.cancel()  # after Ctrl-C in this thread; otherwise the call has ended
            raise
