"""The one place where names inside aiokafka are replaced. `create_app` does so, once per process.

Why by name: `AIOKafkaConsumer.start` and its fetcher create these objects by their module-level names, and the fetcher
tests `type(x) is FetchResult`. The replacements behave the same for every other consumer of the process: fetched
batches are still lists, and a coordinator that belongs to no app updates a fence that is never checked.
tests/runtime/test_upstream.py fails when aiokafka or Faust change what we depend on.
"""

import logging

import aiokafka
import faust
import faust.streams
from aiokafka.consumer import consumer as ak_consumer
from aiokafka.consumer import fetcher as ak_fetcher

from streams.kafka import timeouts
from streams.kafka.reading import record_batches
from streams.runtime.broker import wire_format
from streams.runtime.consumer import coordinator, fetch

FAUST_VERSION, AIOKAFKA_VERSION = "0.15.3", "0.14.0"


def install() -> None:
    """Install our classes. Harmless when they are installed already.

    Raises:
        RuntimeError: other versions are installed than the known ones, or Faust lacks its compiled part.
    """
    installed = (faust.__version__, aiokafka.__version__)
    if installed != (FAUST_VERSION, AIOKAFKA_VERSION):
        raise RuntimeError(
            f"faust-streaming {installed[0]} and aiokafka {installed[1]} are installed, but only {FAUST_VERSION} "
            f"and {AIOKAFKA_VERSION} are known to lose nothing; install what pyproject.toml names"
        )
    # The iterator in pure Python acknowledges the events of older generations that it skips.
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        raise RuntimeError("faust-streaming lacks its compiled part; install its wheel")
    # Ten lines a second for each topic that is missing; obstacles/monitor.py reports it once.
    logging.getLogger("aiokafka.cluster").setLevel(logging.CRITICAL)
    ak_fetcher.PartitionRecords = fetch.PartitionRecords
    ak_fetcher.FetchResult = fetch.FetchResult
    ak_consumer.GroupCoordinator = coordinator.Coordinator
    timeouts.install()
    record_batches.install()
    wire_format.install()
