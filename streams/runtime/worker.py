"""Runs an app as a worker: checks the topics, configures logging, handles signals, returns the exit code.

One process runs only one app. What ends the process at once (exit_codes.py) does not return here.
"""

import asyncio
import gc
import logging
import threading
from typing import Any, NoReturn

import faust
from faust.exceptions import ConsistencyError

from streams.kafka import admin
from streams.kafka.topic_ids import recreated_message
from streams.logs.setup import set_up_logging
from streams.runtime.app import App
from streams.runtime.consumer.consumer import Consumer
from streams.runtime.consumer.thread import ConsumerThread
from streams.runtime.exit_codes import ExitCode, log_exit, terminate
from streams.runtime.parts.faust_parts import Agent, TableManager
from streams.runtime.producer import Producer
from streams.runtime.store.local_store import LocalStore
from streams.settings import Settings
from streams.system.task_report import describe_tasks
from streams.tracing.tracing import set_up_tracing

log = logging.getLogger(__name__)

# Faust's services log under the name of the module that subclasses them, and they log as much as Faust.
_SERVICE_MODULES = tuple(
    service.__module__
    for service in (Agent, App, Consumer, ConsumerThread, LocalStore, Producer, TableManager)
)
EXIT_CRASHED = 1
_GC_THRESHOLD = 20_000  # objects; Python's own 700 cost a dispatcher a tenth of its time
_STOP_GRACE_PERIOD_S = 30.0


def run(app: App, settings: Settings) -> int:
    """Run until SIGTERM, SIGINT or a crash; returns the exit code.

    What a callback of `app.before_join` raises is raised here too.

    Raises:
        InvalidTopics: topics are missing or have the wrong number of partitions.
        KafkaUnreachable: no broker answers.
    """
    if problems := asyncio.run(admin.check_topics(settings)):
        raise admin.InvalidTopics(problems)
    set_up_logging(settings, verbose_loggers=_SERVICE_MODULES)
    set_up_tracing(settings, app.conf.id)
    worker = Worker(app, override_logging=False, redirect_stdouts=False, quiet=True)
    _collect_seldom()
    return worker.run()


def _collect_seldom() -> None:
    """What was made up to now stays; and of what is made for an event, hardly anything is part of a cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


class Worker(faust.Worker):
    """Faust's worker without its spinner, and with our exit codes."""

    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(app, **options)
        self.spinner = None
        self._app = app
        self._stop_timeout_s = app.event_timeout_s + _STOP_GRACE_PERIOD_S

    async def stop(self) -> None:
        """Stop the app. If Faust or an event hangs meanwhile, the process ends after a timeout."""
        stop_timer = threading.Timer(self._stop_timeout_s, self._end_hung_stop)
        stop_timer.daemon = True
        stop_timer.start()
        await super().stop()

    def _end_hung_stop(self) -> NoReturn:
        try:
            for line in describe_tasks(self.loop):
                log.error("waiting: %s", line)
        finally:  # whatever becomes of the report
            terminate(ExitCode.STALLED, f"did not stop within {self._stop_timeout_s:.0f} s")

    def run(self) -> int:
        """Run to the end, and return the exit code."""
        self.loop.run_until_complete(self._app.run_before_join())
        try:
            self.execute_from_commandline()
        except SystemExit as exit_request:
            code = exit_request.code if isinstance(exit_request.code, int) else EXIT_CRASHED
        if isinstance(self.crash_reason, ConsistencyError):
            log_exit(
                ExitCode.TOPIC_RECREATED,
                recreated_message("a changelog of the tables", self._app.conf.id),
            )
            return ExitCode.TOPIC_RECREATED
        return code
