"""The composition root of the webhooks: the clock, the store, one follower and one deliverer for each endpoint."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry

from streams.kafka import admin
from streams.observability import metrics
from streams.observability.http_server import Server
from streams.observability.probes import serve_probes
from streams.observability.service_clock import open_clock
from streams.operations.errors import UsageError
from streams.settings import Settings
from streams.system.folder_lock import hold_folder
from streams.system.tasks import cancel_tasks, run_all
from streams.webhooks.client import EndpointClient
from streams.webhooks.deliverer import POLL_INTERVAL_S, Deliverer
from streams.webhooks.endpoints import Endpoint, load_endpoints
from streams.webhooks.follower import Follower
from streams.webhooks.metrics import EndpointGauges, WebhookMetrics
from streams.webhooks.rivals import Rivals
from streams.webhooks.samples import publish_samples
from streams.webhooks.store import FOLDER, Store, get_path
from streams.webhooks.upkeep import open_store


async def run(settings: Settings, name: str) -> None:
    """Deliver until cancelled.

    Raises:
        SettingError, UsageError: the endpoints cannot be used, or there is none.
        FolderInUse: another process delivers from this data folder.
        CannotListen: the port is taken, or a token is missing.
        KafkaUnreachable, InvalidTopics: no broker answers, or a topic is missing.
    """
    async with open_webhooks(settings, name) as webhooks:
        await webhooks.wait_for_failure()


class RunningWebhooks(NamedTuple):
    """Webhooks that are delivered."""

    server: Server
    works: asyncio.Task[None]
    parts: "Mapping[str, _Part]"

    def is_paused(self, endpoint: str) -> bool:
        """Whether this endpoint gets nothing now."""
        return self.parts[endpoint].deliverer.is_paused

    async def wait_for_failure(self) -> None:
        """Never returns; raises what a task of ours raised: a bug, or a file that cannot be used."""
        await asyncio.shield(self.works)


@asynccontextmanager
async def open_webhooks(
    settings: Settings,
    name: str,
    *,
    now_s: Callable[[], float] | None = None,
    poll_interval_s: float = POLL_INTERVAL_S,
) -> AsyncIterator[RunningWebhooks]:
    """Deliver. `now_s`: another clock than the broker's, for tests. Raises as `run`."""
    endpoints = load_endpoints(settings)
    if not endpoints:
        raise UsageError("there is no endpoint: set WA_WEBHOOKS_FILE (docs/webhooks.md)")
    if problems := await admin.check_topics(settings):
        raise admin.InvalidTopics(problems)
    async with AsyncExitStack() as stack:
        # One process for a data folder, whatever its name: two would deliver everything twice.
        problem = f"another process delivers webhooks from {settings.data_dir}; stop it"
        stack.enter_context(hold_folder(settings.data_dir / FOLDER, FOLDER, problem))
        clock = await stack.enter_async_context(open_clock(settings))
        now_s = now_s or clock.now_s
        store = await asyncio.to_thread(open_store, get_path(settings.data_dir), now_s())
        stack.callback(store.close)
        client = await stack.enter_async_context(EndpointClient(settings))
        parts: dict[str, _Part] = {}
        process = secrets.token_hex(8)
        rivals = Rivals(settings, process, endpoints)
        registry = metrics.new_registry(name, lambda: _check_readiness(parts, rivals)[0])
        counters = WebhookMetrics(registry, lambda: _read_gauges(parts))
        for endpoint in endpoints.values():
            counters.declare(endpoint.name)
            deliverer = Deliverer(
                endpoint,
                store,
                client,
                counters,
                now_s=now_s,
                random_fraction=random.random,
                max_in_flight=settings.webhooks_max_in_flight,
                poll_interval_s=poll_interval_s,
            )
            parts[endpoint.name] = _Part(
                endpoint,
                deliverer,
                _make_follower(settings, endpoint, store, counters, deliverer, now_s),
            )
        works = asyncio.create_task(
            run_all(
                clock.run(),
                publish_samples(settings, registry, name, process),
                rivals.run(),
                *(work for part in parts.values() for work in part.works()),
            )
        )
        stack.push_async_callback(cancel_tasks, works)
        server = await stack.enter_async_context(
            _serve(settings, name, registry, partial(_check_readiness, parts, rivals))
        )
        yield RunningWebhooks(server, works, parts)


class _Part(NamedTuple):
    endpoint: Endpoint
    deliverer: Deliverer
    follower: Follower

    def works(self) -> list[Any]:
        """Everything that runs for the endpoint."""
        follows = [self.follower.follow(topic) for topic in self.endpoint.topics]
        return [self.deliverer.run(), self.follower.commit_positions(), *follows]


def _make_follower(
    settings: Settings,
    endpoint: Endpoint,
    store: Store,
    counters: WebhookMetrics,
    deliverer: Deliverer,
    now_s: Callable[[], float],
) -> Follower:
    return Follower(
        settings,
        endpoint,
        store,
        counters,
        now_s=now_s,
        may_read=deliverer.may_read,
        on_events=deliverer.add,
    )


def _check_readiness(parts: Mapping[str, _Part], rivals: Rivals) -> tuple[bool, str]:
    if (problem := rivals.problem) is not None:
        return False, problem
    behind = sorted(
        f"{name}: {topic}"
        for name, part in parts.items()
        if not (part.deliverer.is_paused or part.deliverer.is_full)
        for topic in part.follower.behind
    )
    if behind:
        return False, f"cannot read yet: {', '.join(behind)}"
    paused = [name for name, part in parts.items() if part.deliverer.is_paused]
    return True, f"paused: {', '.join(paused)}" if paused else ""


def _read_gauges(parts: Mapping[str, _Part]) -> dict[str, EndpointGauges]:
    return {
        name: EndpointGauges(part.deliverer.waiting, part.deliverer.is_paused)
        for name, part in parts.items()
    }


@asynccontextmanager
async def _serve(
    settings: Settings,
    name: str,
    registry: CollectorRegistry,
    check_readiness: Callable[[], tuple[bool, str]],
) -> AsyncIterator[Server]:
    async with serve_probes(
        settings,
        name,
        settings.web_port,
        readiness=check_readiness,
        health=lambda: {"healthy": check_readiness()[0], "accounts": []},
        registry=registry,
    ) as server:
        yield server
