"""The class of a switch, and the test files that switches name. Holds no switch itself."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]

ADMIN_CLIENT = "tests/kafka/test_admin_client.py::"
APP = "tests/runtime/test_app.py::"
BAD_INPUT = "tests/dispatch/test_bad_input.py::"
CALLS = "tests/runtime/consumer/test_calls.py::"
DAMAGE = "tests/runtime/store/test_damage.py::"
DELETED = "tests/runtime/consumer/test_deleted.py::"
FAILING_REQUESTS = "tests/runtime/consumer/test_failing_requests.py::"
FETCHING = "tests/runtime/consumer/test_fetching.py::"
FREE_TOPIC = "tests/runtime/topics/test_free_topic.py::"
GAPS = "tests/runtime/consumer/test_gaps.py::"
HUGE_BATCHES = "tests/kafka/reading/test_huge_batches.py::"
MEMBER = "tests/runtime/test_membership.py::"
OBSTACLES = "tests/runtime/topics/test_obstacles.py::"
OUTAGES = "tests/runtime/producer/test_outages.py::"
PROCESSES = "tests/runtime/test_processes.py::"
PRODUCER = "tests/runtime/producer/test_producer.py::"
PUBLISHER = "tests/runtime/producer/test_publisher.py::"
REBALANCE = "tests/runtime/consumer/test_rebalance.py::"
RECOVERY = "tests/runtime/recovery/test_recovery.py::"
STALE = "tests/runtime/store/test_stale.py::"
TABLE = "tests/runtime/test_table.py::"
TIMEOUTS = "tests/kafka/test_timeouts.py::"
TRANSACTIONS = "tests/runtime/consumer/test_transactions.py::"


@dataclass(frozen=True, slots=True)
class Switch:
    """`old` occurs once in `file` (of streams/runtime); with `new` in its place the `tests` fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]  # as pytest names them

    @property
    def path(self) -> Path:
        """The file, relative to the root."""
        return Path("streams/runtime") / self.file

    def off(self, source: str) -> str:
        """The source without the override. Raises ValueError unless `old` occurs exactly once."""
        if source.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: its text occurs {source.count(self.old)} times in {self.path}"
            )
        return source.replace(self.old, self.new)
