"""An app whose producer a test uses, and the produce requests that it makes. Holds no test."""

from collections.abc import Callable
from typing import Any

from aiokafka.protocol.produce import ProduceRequest

from streams.kafka.topics import ROWS
from streams.runtime.factory import App
from streams.runtime.table import DurableTable
from tests.runtime.world import World


def make_app(world: World) -> tuple[App, DurableTable]:
    """An app with a table and an agent that does nothing."""
    app = world.make_app()
    rows = DurableTable(app, ROWS)

    @app.agent(app.raw_topic(world.topics.outbound), name="idle", isolated_partitions=True)
    async def idle(stream: Any) -> None:
        async for _ in stream.events():
            pass

    return app, rows


def record_requests(app: App, on_response: Callable[[], object] = lambda: None) -> list[Any]:
    """The produce requests from now on; `on_response` is called for each that was answered, and may raise."""
    client: Any = app.typed_producer.client.client
    requests: list[Any] = []
    send = client.send

    async def noted(node: Any, request: Any, **options: Any) -> Any:
        response = await send(node, request, **options)
        if isinstance(request, ProduceRequest):
            requests.append(request)
            on_response()
        return response

    client.send = noted
    return requests
