"""The one place where names inside aiokafka are replaced. Done by `create_app`, once per process.

Why replaced: `AIOKafkaConsumer.start` and its fetcher make these objects by their module-level
names, and the fetcher asks `type(x) is FetchResult`. What takes their place behaves the same to every
other consumer of the process: answers are lists still, and coordinators tell a fence nobody asks.
tests/runtime/test_upstream.py fails when aiokafka or Faust change what we rest on.
"""

import aiokafka
import faust
import faust.streams
from aiokafka.consumer import consumer as ak_consumer
from aiokafka.consumer import fetcher as ak_fetcher

from streams.runtime.consumer import coordinator, fetch, record_batches

FAUST_VERSION, AIOKAFKA_VERSION = "0.15.3", "0.14.0"


def install() -> None:
    """Put our classes in. Harmless when they are there.

    Raises:
        RuntimeError: these are not the versions that we know, or Faust is without its C part.
    """
    installed = (faust.__version__, aiokafka.__version__)
    if installed != (FAUST_VERSION, AIOKAFKA_VERSION):
        raise RuntimeError(
            f"faust-streaming {installed[0]} and aiokafka {installed[1]} are installed, but only {FAUST_VERSION} "
            f"and {AIOKAFKA_VERSION} are known to lose nothing; install what pyproject.toml names"
        )
    # The pure-Python iterator acknowledges events of older generations that it skips.
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        raise RuntimeError("faust-streaming is without its compiled part; install its wheel")
    ak_fetcher.MemoryRecords = record_batches.RecordBatches  # pyright: ignore[reportAttributeAccessIssue] - as much of it as is used
    ak_fetcher.FetchResult = fetch.FetchResult
    ak_consumer.GroupCoordinator = coordinator.Coordinator
