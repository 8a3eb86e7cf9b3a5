"""What we override in Faust and aiokafka, and what we depend on there, is unchanged.

If this fails, the installed versions are not those of pyproject.toml, or somebody has changed them. Read
what changed, run all of tests/runtime, and only then record the new hashes here:

    python -m tests.runtime.test_upstream
"""

import hashlib
import inspect
from pathlib import Path
from typing import Any

import aiokafka
import faust
import faust._cython
import mode.services
import mode.utils.queues
import mode.worker
import pytest
from aiokafka import client as ak_client
from aiokafka import util as ak_util
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer import consumer as ak_consumer
from aiokafka.consumer import fetcher as ak_fetcher
from aiokafka.consumer import group_coordinator as ak_coordinator
from aiokafka.consumer import subscription_state as ak_subscription
from aiokafka.partitioner import DefaultPartitioner, murmur2
from aiokafka.producer import message_accumulator as ak_accumulator
from aiokafka.producer import producer as ak_producer
from aiokafka.producer import sender as ak_sender
from aiokafka.producer import transaction_manager as ak_transactions
from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7
from faust.agents import agent as faust_agent
from faust.app import base as faust_app
from faust.assignor import partition_assignor
from faust.stores import rocksdb
from faust.tables import base as faust_table
from faust.tables import manager as faust_tables
from faust.tables import recovery as faust_recovery
from faust.transport import conductor as faust_conductor
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver

from streams.kafka import timeouts
from streams.runtime import patches
from streams.runtime.consumer import coordinator, fetch

_C_ITERATOR = Path(faust._cython.__file__).with_name("streams.pyx")

# What our classes override, call, or depend on to behave as it does; grouped by the file that depends on it.
PARTS: dict[str, Any] = {
    # consumer/fetch
    "FetchResult": fetch.FetchResult.__base__,  # under its name, our class may be installed by now
    "PartitionRecords": fetch.PartitionRecords.__base__,
    "Fetcher._proc_fetch_request": ak_fetcher.Fetcher._proc_fetch_request,
    "Fetcher.fetched_records": ak_fetcher.Fetcher.fetched_records,
    "TopicPartitionState": ak_subscription.TopicPartitionState,
    # consumer/coordinator
    "AIOKafkaConsumer.start": ak_consumer.AIOKafkaConsumer.start,
    "AIOKafkaConsumer.seek_to_committed": ak_consumer.AIOKafkaConsumer.seek_to_committed,
    "GroupCoordinator": coordinator.Coordinator.__base__,
    "CoordinatorGroupRebalance": ak_coordinator.CoordinatorGroupRebalance,
    # producer, table
    "AIOKafkaProducer.send": ak_producer.AIOKafkaProducer.send,
    "AIOKafkaProducer.send_batch": ak_producer.AIOKafkaProducer.send_batch,
    "MessageAccumulator": ak_accumulator.MessageAccumulator,
    "MessageBatch": ak_accumulator.MessageBatch,
    "BatchBuilder": ak_accumulator.BatchBuilder,
    "Sender": ak_sender.Sender,
    "SendProduceReqHandler": ak_sender.SendProduceReqHandler,
    "TransactionManager.set_pid_and_epoch": ak_transactions.TransactionManager.set_pid_and_epoch,
    "TransactionManager.has_pid": ak_transactions.TransactionManager.has_pid,
    "driver.Producer": driver.Producer,
    # broker/produce, broker/wire_format
    "murmur2": murmur2,
    "DefaultPartitioner": DefaultPartitioner,
    "FetchRequest_v11": FetchRequest_v11,
    "FetchResponse_v11": FetchResponse_v11,
    "ProduceRequest_v7": ProduceRequest_v7,
    "ProduceResponse_v7": ProduceResponse_v7,
    # consumer/consumer, consumer/thread
    "faust Consumer": faust_consumer.Consumer,
    "faust ThreadDelegateConsumer": faust_consumer.ThreadDelegateConsumer,
    "faust Fetcher": faust_consumer.Fetcher,
    "driver.Consumer": driver.Consumer,
    "driver.AIOKafkaConsumerThread": driver.AIOKafkaConsumerThread,
    "driver.ConsumerRebalanceListener": driver.ConsumerRebalanceListener,
    "ConductorCompiler": faust_conductor.ConductorCompiler,
    "the C iterator of streams": _C_ITERATOR,
    # app
    "App.on_start": faust_app.App.on_start,
    "App.on_stop": faust_app.App.on_stop,
    "App._stop_consumer": faust_app.App._stop_consumer,
    "App._consumer_wait_empty": faust_app.App._consumer_wait_empty,
    "App._on_partitions_revoked": faust_app.App._on_partitions_revoked,
    "App._on_partitions_assigned": faust_app.App._on_partitions_assigned,
    "App._on_rebalance_when_stopped": faust_app.App._on_rebalance_when_stopped,
    "Agent._execute_actor": faust_agent.Agent._execute_actor,
    "FlowControlEvent": mode.utils.queues.FlowControlEvent,
    "ThrowableQueue": mode.utils.queues.ThrowableQueue,
    "Service.wait_first": mode.services.Service.wait_first,
    "Service.stop": mode.services.Service.stop,
    "TableManager": faust_tables.TableManager,
    "Recovery": faust_recovery.Recovery,
    "PartitionAssignor.on_assignment": partition_assignor.PartitionAssignor.on_assignment,
    # parts/assignor, consumer/thread, producer (_split_batches)
    "PartitionAssignor._get_copartitioned_groups": partition_assignor.PartitionAssignor._get_copartitioned_groups,
    "PartitionAssignor._perform_assignment": partition_assignor.PartitionAssignor._perform_assignment,
    "AIOKafkaConsumerThread._fetch_records": driver.AIOKafkaConsumerThread._fetch_records,
    "Sender._send_produce_req": ak_sender.Sender._send_produce_req,
    # table
    "Collection.on_recovery_completed": faust_table.Collection.on_recovery_completed,
    "rocksdb.Store": rocksdb.Store,
    "rocksdb.RocksDBOptions": rocksdb.RocksDBOptions,
    # kafka/timeouts, kafka/admin_client
    "AIOKafkaConnection": timeouts.BoundedConnection.__base__,
    "AIOKafkaClient._get_conn": ak_client.AIOKafkaClient._get_conn,
    "AIOKafkaClient.send": ak_client.AIOKafkaClient.send,
    "AIOKafkaClient._metadata_update": ak_client.AIOKafkaClient._metadata_update,
    "util.wait_for": ak_util.wait_for,
    "AIOKafkaAdminClient._send_request": AIOKafkaAdminClient._send_request,
    "AIOKafkaAdminClient._send_to_controller": AIOKafkaAdminClient._send_to_controller,
    # worker
    "Worker.execute_from_commandline": mode.worker.Worker.execute_from_commandline,
    "Worker.stop_and_shutdown": mode.worker.Worker.stop_and_shutdown,
}

RECORDED_HASHES: dict[str, str] = {
    "FetchResult": "d7db13f06de8248c",
    "PartitionRecords": "94aa0da0dbec8d1b",
    "Fetcher._proc_fetch_request": "59bf948fff47eed5",
    "Fetcher.fetched_records": "be4348896b9b66af",
    "TopicPartitionState": "2b83334afadf6d98",
    "AIOKafkaConsumer.start": "2f1ba70443327538",
    "AIOKafkaConsumer.seek_to_committed": "f6cd85c8b70a4ccf",
    "GroupCoordinator": "3cc75f875a239167",
    "CoordinatorGroupRebalance": "20ed95eaf623513c",
    "AIOKafkaProducer.send": "08ce81263f439838",
    "AIOKafkaProducer.send_batch": "bf42b0f0c5c0646d",
    "MessageAccumulator": "562530971ca9bd19",
    "MessageBatch": "36a7b1dac89d2910",
    "BatchBuilder": "8050802ca7514186",
    "Sender": "46ef144176b79ef8",
    "SendProduceReqHandler": "708c9da866caf440",
    "TransactionManager.set_pid_and_epoch": "1e174622d40d330f",
    "TransactionManager.has_pid": "becd34274ab9332d",
    "driver.Producer": "d160f20ab8ec007d",
    "murmur2": "62179ca184949379",
    "DefaultPartitioner": "37af0b3aa6871f16",
    "FetchRequest_v11": "a6e818202eeca8bd",
    "FetchResponse_v11": "66f6416366170bdb",
    "ProduceRequest_v7": "09879a10fb25c524",
    "ProduceResponse_v7": "3c82faef280f657b",
    "faust Consumer": "2a6a37200a4ddc55",
    "faust ThreadDelegateConsumer": "a1b934b198fae1c0",
    "faust Fetcher": "c922e4ab78d9e296",
    "driver.Consumer": "959f899e8ebfdd56",
    "driver.AIOKafkaConsumerThread": "8ca70be32815c1d0",
    "driver.ConsumerRebalanceListener": "f3d04f29dfb3f716",
    "ConductorCompiler": "f8bedb3d7dc2083d",
    "the C iterator of streams": "0041622f4a251188",
    "App.on_start": "480d70c6c72d042d",
    "App.on_stop": "bfe5a933defb2324",
    "App._stop_consumer": "55854a5de12c3f52",
    "App._consumer_wait_empty": "6bc313c48c064b16",
    "App._on_partitions_revoked": "d5c895bbe57dc73a",
    "App._on_partitions_assigned": "de932b7927db85b3",
    "App._on_rebalance_when_stopped": "1b172d9af8ff4eb6",
    "Agent._execute_actor": "c750b828d2bda93e",
    "FlowControlEvent": "1da8f905ab655e39",
    "ThrowableQueue": "44872deb65478e1f",
    "Service.wait_first": "feade6a31f8a6789",
    "Service.stop": "e17cd2b6bd01e861",
    "TableManager": "f6eed12883a36a91",
    "Recovery": "a652ef029484ee3a",
    "PartitionAssignor.on_assignment": "72f34bf053d696b5",
    "PartitionAssignor._get_copartitioned_groups": "82b7a3764ad596f6",
    "PartitionAssignor._perform_assignment": "1e0bf2c5c8f42574",
    "AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1455a",
    "Sender._send_produce_req": "aea01ae4b6c794cc",
    "Collection.on_recovery_completed": "b1526fb39ea0e77e",
    "rocksdb.Store": "062f48be75e112d1",
    "rocksdb.RocksDBOptions": "73d441b66490f2fb",
    "AIOKafkaConnection": "ac26ab36fe7cd5b4",
    "AIOKafkaClient._get_conn": "68ce5d8391719d33",
    "AIOKafkaClient.send": "246b277687d7b687",
    "AIOKafkaClient._metadata_update": "06dc51ed3e0d38b8",
    "util.wait_for": "9df4dbc82b2d5dac",
    "AIOKafkaAdminClient._send_request": "1ed126f126dd917a",
    "AIOKafkaAdminClient._send_to_controller": "97f54b5c85645a79",
    "Worker.execute_from_commandline": "212e98f635d7a69b",
    "Worker.stop_and_shutdown": "bf1608cc301123cf",
}


def _hash(part: Any) -> str:
    text = part.read_text() if isinstance(part, Path) else inspect.getsource(part)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_installed_versions_are_supported():
    """The installed Faust and aiokafka have the versions that `patches` accepts."""
    assert (faust.__version__, aiokafka.__version__) == (
        patches.FAUST_VERSION,
        patches.AIOKAFKA_VERSION,
    )


@pytest.mark.parametrize("name", PARTS)
def test_the_source_is_unchanged(name: str):
    """The source of each part has the hash that was recorded."""
    assert _hash(PARTS[name]) == RECORDED_HASHES[name], (
        f"{name} has changed; see the top of this file"
    )


def test_every_hash_belongs_to_a_part():
    """No recorded hash is left over, and none is missing."""
    assert RECORDED_HASHES.keys() == PARTS.keys()


def test_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch):
    """`install` raises on a version that is not known."""
    monkeypatch.setattr(aiokafka, "__version__", "0.15.0")
    with pytest.raises(RuntimeError, match=r"aiokafka 0\.15\.0 are installed, but only"):
        patches.install()


if __name__ == "__main__":
    for part_name, part in PARTS.items():
        print(f'    "{part_name}": "{_hash(part)}",')
