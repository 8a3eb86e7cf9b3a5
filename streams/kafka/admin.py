"""Creates and checks topics. Never alters or deletes one: what is on a broker belongs to its operator.

With the wrong number of partitions, a phone's records would go to another partition than the one with its row; a
changelog that is not compacted would lose rows; and without append times nothing could tell the time. So a worker does
not start on such topics. The retention of a public topic that exists is the operator's decision, and is not checked.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError, for_code

from streams.kafka import connection
from streams.kafka.topics import TIMESTAMP_TYPE, TopicSpec, required_topics
from streams.settings import Settings

_VISIBILITY_TIMEOUT_S = 60.0
_POLL_INTERVAL_S = 0.05
_NO_SUCH_TOPIC = "no such topic"


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """What is wrong with one topic, and how to fix it."""

    topic: str
    actual: str
    expected: str
    remedy: str

    @property
    def is_missing(self) -> bool:
        """Whether `create_topics` would fix it."""
        return self.actual == _NO_SUCH_TOPIC

    def __str__(self) -> str:
        return f"{self.topic}: found {self.actual}, needs {self.expected}; {self.remedy}"


class InvalidTopics(RuntimeError):
    """Topics are not as they must be; the message describes the first problem, and names the other topics."""

    def __init__(self, problems: Sequence[TopicProblem]) -> None:
        self.problems = tuple(problems)
        first, *others = self.problems
        names = ", ".join(sorted({other.topic for other in others} - {first.topic}))
        super().__init__(f"{first}" + (f" (also wrong: {names})" if names else ""))


async def create_topics(settings: Settings) -> list[str]:
    """Create the missing topics, and return their names once they can be used.

    Raises:
        InvalidTopics: the brokers refuse to create a topic, or an existing topic is wrong.
        KafkaUnreachable: no broker answers.
    """
    specs = required_topics(settings)
    async with connection.admin_client(settings) as client:
        existing = await partition_counts(client)
        created = await _create_missing(
            client, [spec for spec in specs if spec.name not in existing]
        )
        await _wait_until_usable(client, {spec.name for spec in specs})
        if problems := await _find_problems_of_existing(client, specs):
            raise InvalidTopics(problems)
    return created


async def _find_problems_of_existing(
    client: AIOKafkaAdminClient, specs: list[TopicSpec]
) -> list[TopicProblem]:
    """Ask until the broker that is asked knows all of the topics; another one may know them before."""
    async with asyncio.timeout(_VISIBILITY_TIMEOUT_S):
        while True:
            problems = await _find_problems(client, specs)
            if not any(problem.is_missing for problem in problems):
                return problems
            await asyncio.sleep(_POLL_INTERVAL_S)


async def check_topics(
    settings: Settings, only: Collection[str] | None = None
) -> list[TopicProblem]:
    """What is wrong with the topics, or with `only` these. If the list is empty, a worker may start.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    specs = [spec for spec in required_topics(settings) if only is None or spec.name in only]
    async with connection.admin_client(settings) as client:
        return await _find_problems(client, specs)


async def read_tombstone_retention_s(settings: Settings, topic: str) -> float:
    """For how long this compacted topic keeps the tombstone of a deleted key, at least: what it is configured to.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    async with connection.admin_client(settings) as client:
        configs = await _describe_configs(client, [topic])
    return int(configs[topic]["delete.retention.ms"]) / 1000


async def read_topic_configs(settings: Settings, topics: list[str]) -> dict[str, dict[str, str]]:
    """The configuration of each of these topics that exists, as the brokers apply it.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    async with connection.admin_client(settings) as client:
        existing = await partition_counts(client)
        return await _describe_configs(client, [topic for topic in topics if topic in existing])


async def partition_counts(client: AIOKafkaAdminClient) -> dict[str, int]:
    """The number of partitions of each topic on the brokers that our user may see."""
    return {topic["topic"]: len(topic["partitions"]) for topic in await _describe_topics(client)}


async def _describe_topics(client: AIOKafkaAdminClient) -> list[dict[str, Any]]:
    # Requests all topics: a broker with auto.create.topics.enable would create the ones that are named.
    return await client.describe_topics()


async def _create_missing(client: AIOKafkaAdminClient, specs: list[TopicSpec]) -> list[str]:
    if not specs:
        return []
    # aiokafka's responses get their fields when they are decoded, so they have no types.
    response: Any = await client.create_topics([_new_topic(spec) for spec in specs])
    refusals = list(_creation_problems(response.topic_errors, {spec.name: spec for spec in specs}))
    if refusals:
        raise InvalidTopics(refusals)
    return [name for name, code, _ in response.topic_errors if not code]


def _new_topic(spec: TopicSpec) -> NewTopic:
    # NewTopic takes a replication factor of -1 for a missing one, unless there are assignments, even {}.
    assignments = {} if spec.replication_factor == -1 else None
    return NewTopic(spec.name, spec.partitions, spec.replication_factor, assignments, spec.config)


def _creation_problems(topic_errors: Any, specs: Mapping[str, TopicSpec]) -> Iterator[TopicProblem]:
    for name, code, message in topic_errors:
        # Another client was quicker: its topic is checked like any other.
        if not code or for_code(code) is TopicAlreadyExistsError:
            continue
        reason = (message or for_code(code).__name__).rstrip(".")
        expected = f"{specs[name].partitions} partitions"
        remedy = "ask the operator of these brokers"
        if for_code(code) is InvalidReplicationFactorError:
            expected = f"{specs[name].replication_factor} copies"
            remedy = "set WA_REPLICATION_FACTOR to at most the number of brokers, or to -1 for their default"
        yield TopicProblem(name, f"a refusal to create it ({reason})", expected, remedy)


async def _wait_until_usable(client: AIOKafkaAdminClient, topics: set[str]) -> None:
    """Wait until a broker knows what the controller has created, with its leaders."""
    async with asyncio.timeout(_VISIBILITY_TIMEOUT_S):
        # A broker does not announce that it knows a topic; it must be polled.
        while not topics <= await _topics_with_leaders(client):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_INTERVAL_S)


async def _topics_with_leaders(client: AIOKafkaAdminClient) -> set[str]:
    described = await _describe_topics(client)
    return {
        topic["topic"]
        for topic in described
        if not topic["error_code"] and all(part["leader"] >= 0 for part in topic["partitions"])
    }


async def _find_problems(client: AIOKafkaAdminClient, specs: list[TopicSpec]) -> list[TopicProblem]:
    existing = await partition_counts(client)
    configs = await _describe_configs(
        client, [spec.name for spec in specs if spec.name in existing]
    )
    problems: list[TopicProblem] = []
    for spec in specs:
        if spec.name in existing:
            problems.extend(_compare(spec, existing[spec.name], configs[spec.name]))
        else:
            problems.append(missing_topic(spec.name, f"{spec.partitions} partitions"))
    return problems


def missing_topic(name: str, expected: str = "one of this name") -> TopicProblem:
    """The problem of a topic that does not exist, or that our user may not see."""
    return TopicProblem(name, _NO_SUCH_TOPIC, expected, "run `wa-streams topics create`")


def _compare(spec: TopicSpec, partitions: int, config: Mapping[str, str]) -> Iterator[TopicProblem]:
    if partitions != spec.partitions and not spec.is_free:
        expected = f"{spec.partitions}"
        yield TopicProblem(spec.name, f"{partitions} partitions", expected, _get_remedy(spec))
    for key in ("cleanup.policy", TIMESTAMP_TYPE):
        actual, expected = config[key], spec.config[key]
        if actual != expected:
            yield misconfigured(spec.name, key, actual, expected)
    size, expected = config["max.message.bytes"], spec.config["max.message.bytes"]
    if int(size) < int(expected):
        yield misconfigured(spec.name, "max.message.bytes", size, expected)


def misconfigured(topic: str, key: str, actual: str, expected: str) -> TopicProblem:
    """The problem of a topic with the wrong value of this configuration key."""
    command = f"kafka-configs.sh --alter --topic {topic} --add-config {key}={expected}"
    return TopicProblem(topic, f"{key}={actual}", f"{key}={expected}", f"set it: {command}")


def _get_remedy(spec: TopicSpec) -> str:
    if spec.partitions == 1:
        return "its records have one order: delete it, then run `wa-streams topics create`"
    return "set WA_PARTITIONS to what it was, or WA_TOPIC_PREFIX to a name of its own"


async def _describe_configs(
    client: AIOKafkaAdminClient, topics: list[str]
) -> dict[str, dict[str, str]]:
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    responses: list[Any] = await client.describe_configs(resources)
    configs: dict[str, dict[str, str]] = {}
    for response in responses:
        for code, message, _type, topic, entries in response.resources:
            if code:
                raise for_code(code)(f"the configuration of {topic}: {message}")
            configs[topic] = {entry[0]: entry[1] for entry in entries}
    return configs
