"""Switches of the fence: when it shuts, when it opens, and that the producer passes it."""

from tests.overrides.switches.switch import MEMBER, PROCESSES, PRODUCER, Switch

COORDINATOR_FILE = "consumer/coordinator.py"

FENCE = (
    Switch(
        "heartbeats are noticed",
        COORDINATOR_FILE,
        "            self._fence.on_heartbeat(sent_s)",
        "            pass",
        (PRODUCER + "test_nothing_is_written_while_heartbeats_are_old",),
    ),
    Switch(
        "a lost generation is noticed",
        COORDINATOR_FILE,
        "            self._fence.on_generation_lost()",
        "            pass",
        (PROCESSES + "test_a_suspended_worker_that_lost_its_partitions_writes_nothing_more",),
    ),
    Switch(
        "the fence is open between two assignments",
        COORDINATOR_FILE,
        "        await super()._on_join_prepare(previous_assignment)\n"
        "        self._fence.on_revoked()",
        "        await super()._on_join_prepare(previous_assignment)",
        (PRODUCER + "test_a_member_without_partitions_may_write_during_a_rebalance",),
    ),
    Switch(
        "the fence is open after the last event",
        COORDINATOR_FILE,
        "        finally:\n            self._fence.on_revoked()",
        "        finally:\n            pass",
        (PRODUCER + "test_a_member_that_has_left_may_write",),
    ),
    Switch(
        "the fence shuts when partitions are assigned",
        COORDINATOR_FILE,
        "        self._fence.on_joined()\n",
        "",
        (PRODUCER + "test_the_fence_shuts_as_soon_as_partitions_are_assigned",),
    ),
    Switch(
        "each app has its own fence",
        "consumer/thread.py",
        "token = current_fence.set(self.app.fence)",
        "token = current_fence.set(None)",
        (MEMBER + "test_apps_of_one_process_have_their_own_fences",),
    ),
    Switch(
        "the producer passes the fence",
        "producer.py",
        "            await check_before_write()\n",
        "            pass\n",
        (PRODUCER + "test_nothing_is_written_while_heartbeats_are_old",),
    ),
)
