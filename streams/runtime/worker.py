"""Runs an app as a worker: checks the topics, sets up logging, handles signals, gives the exit code.

Only one app per process is run. What ends the process at once (exits.py) does not come back here.
"""

import asyncio
import threading
from typing import Any

import faust
from faust.exceptions import ConsistencyError

from streams.kafka import admin
from streams.kafka.topic_ids import recreated_message
from streams.logs.setup import set_up_logging
from streams.runtime.app import App
from streams.runtime.exit_codes import ExitCode, log_exit, terminate
from streams.settings import Settings

EXIT_CRASHED = 1
_STOP_GRACE_PERIOD_S = 30.0


def run(app: App, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, or a crash; returns the exit code.

    What a callback of `app.before_join` raises is raised here too.

    Raises:
        InvalidTopics: topics are missing or have the wrong number of partitions.
        KafkaUnreachable: no broker answers.
    """
    if problems := asyncio.run(admin.check_topics(settings)):
        raise admin.InvalidTopics(problems)
    set_up_logging(settings)
    worker = Worker(app, override_logging=False, redirect_stdouts=False, quiet=True)
    return worker.run()


class Worker(faust.Worker):
    """Faust's, without its spinner and its way of leaving."""

    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(app, **options)
        self.spinner = None
        self._app = app
        self._stop_timeout_s = app.event_timeout_s + _STOP_GRACE_PERIOD_S

    async def stop(self) -> None:
        """Stop the app. What hangs meanwhile, in Faust or in an event, does not keep us for ever."""
        reason = f"did not stop within {self._stop_timeout_s:.0f} s"
        stop_timer = threading.Timer(self._stop_timeout_s, terminate, (ExitCode.STALLED, reason))
        stop_timer.daemon = True
        stop_timer.start()
        await super().stop()

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
