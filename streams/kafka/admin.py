"""Creates and checks topics. Never alters or deletes one: what is on a broker is its operator's.

A topic with the wrong number of partitions sends phones to other partitions than their rows are in,
and a changelog that is not compacted loses rows; so a worker does not start on them. How long the
public topics are kept is the operator's business once they are there, and is not checked.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError, for_code

from streams.kafka import connection
from streams.kafka.topics import TopicSpec, plan
from streams.settings import Settings

_VISIBLE_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05
_NO_SUCH_TOPIC = "no such topic"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one topic, and what to do about it."""

    topic: str
    found: str
    needed: str
    remedy: str

    @property
    def missing(self) -> bool:
        """Whether `create` would mend it."""
        return self.found == _NO_SUCH_TOPIC

    def __str__(self) -> str:
        return f"{self.topic}: found {self.found}, needs {self.needed}; {self.remedy}"


class TopicsWrong(RuntimeError):
    """Topics are not as they must be; the message has the first in full, and names the others."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first, *others = self.problems
        names = ", ".join(sorted({other.topic for other in others} - {first.topic}))
        super().__init__(f"{first}" + (f" (also wrong: {names})" if names else ""))


async def create(settings: Settings) -> list[str]:
    """Create the topics that are missing, and return their names once they can be used.

    Raises:
        TopicsWrong: the brokers refuse one, or one that is there is wrong.
        KafkaUnreachable: no broker answers.
    """
    wanted = plan(settings)
    async with connection.admin(settings) as client:
        there = await partition_counts(client)
        created = await _create(client, [spec for spec in wanted if spec.name not in there])
        await _usable(client, {spec.name for spec in wanted})
        if problems := await _problems(client, wanted):
            raise TopicsWrong(problems)
    return created


async def check(settings: Settings, only: Collection[str] | None = None) -> list[Problem]:
    """What is wrong with the topics (with these only, if named); nothing: a worker may start.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    wanted = [spec for spec in plan(settings) if only is None or spec.name in only]
    async with connection.admin(settings) as client:
        return await _problems(client, wanted)


async def partition_counts(client: AIOKafkaAdminClient) -> dict[str, int]:
    """How many partitions each topic has that is on the brokers and that our user may see."""
    return {topic["topic"]: len(topic["partitions"]) for topic in await _described(client)}


async def _described(client: AIOKafkaAdminClient) -> list[dict[str, Any]]:
    # All topics are asked for: by name, a broker with auto.create.topics.enable would create them.
    return await client.describe_topics()


async def _create(client: AIOKafkaAdminClient, specs: list[TopicSpec]) -> list[str]:
    if not specs:
        return []
    # aiokafka's responses get their fields when they are read, so no type says them.
    answer: Any = await client.create_topics([_new(spec) for spec in specs])
    refused = list(_refused(answer.topic_errors, {spec.name: spec for spec in specs}))
    if refused:
        raise TopicsWrong(refused)
    return [name for name, code, _ in answer.topic_errors if not code]


def _new(spec: TopicSpec) -> NewTopic:
    # NewTopic takes a replication of -1 for a missing one unless there are assignments, if only {}.
    assignments = {} if spec.replication == -1 else None
    return NewTopic(spec.name, spec.partitions, spec.replication, assignments, spec.config)


def _refused(answers: Any, specs: Mapping[str, TopicSpec]) -> Iterator[Problem]:
    for name, code, message in answers:
        # Somebody else was quicker: then it is checked like any other.
        if not code or for_code(code) is TopicAlreadyExistsError:
            continue
        said = (message or for_code(code).__name__).rstrip(".")
        needed = f"{specs[name].partitions} partitions"
        remedy = "ask the operator of these brokers"
        if for_code(code) is InvalidReplicationFactorError:
            needed = f"{specs[name].replication} copies"
            remedy = (
                "set WA_REPLICATION to at most the number of brokers, or to -1 for their default"
            )
        yield Problem(name, f"a refusal to create it ({said})", needed, remedy)


async def _usable(client: AIOKafkaAdminClient, topics: set[str]) -> None:
    """Wait until what the controller has created is known to a broker, with its leaders."""
    async with asyncio.timeout(_VISIBLE_WITHIN_S):
        # The broker does not say when it has heard of a topic; it must be asked.
        while not topics <= await _led(client):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)


async def _led(client: AIOKafkaAdminClient) -> set[str]:
    described = await _described(client)
    return {
        topic["topic"]
        for topic in described
        if not topic["error_code"] and all(part["leader"] >= 0 for part in topic["partitions"])
    }


async def _problems(client: AIOKafkaAdminClient, wanted: list[TopicSpec]) -> list[Problem]:
    there = await partition_counts(client)
    configs = await _configs(client, [spec.name for spec in wanted if spec.name in there])
    problems: list[Problem] = []
    for spec in wanted:
        if spec.name in there:
            problems.extend(_wrong(spec, there[spec.name], configs[spec.name]))
        else:
            problems.append(no_such_topic(spec.name, f"{spec.partitions} partitions"))
    return problems


def no_such_topic(name: str, needed: str = "one of this name") -> Problem:
    """The problem of a topic that is not there, or that our user may not see."""
    return Problem(name, _NO_SUCH_TOPIC, needed, "run `wa-streams topics create`")


def _wrong(spec: TopicSpec, partitions: int, config: Mapping[str, str]) -> Iterator[Problem]:
    if partitions != spec.partitions:
        remedy = "set WA_PARTITIONS to what it was, or WA_TOPIC_PREFIX to a name of its own"
        yield Problem(spec.name, f"{partitions} partitions", f"{spec.partitions}", remedy)
    policy, needed = config["cleanup.policy"], spec.config["cleanup.policy"]
    if policy != needed:
        yield _misconfigured(spec.name, "cleanup.policy", policy, needed)
    size, needed = config["max.message.bytes"], spec.config["max.message.bytes"]
    if int(size) < int(needed):
        yield _misconfigured(spec.name, "max.message.bytes", size, needed)


def _misconfigured(topic: str, key: str, found: str, needed: str) -> Problem:
    command = f"kafka-configs.sh --alter --topic {topic} --add-config {key}={needed}"
    return Problem(topic, f"{key}={found}", f"{key}={needed}", f"set it: {command}")


async def _configs(client: AIOKafkaAdminClient, topics: list[str]) -> dict[str, dict[str, str]]:
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    answers: list[Any] = await client.describe_configs(resources)
    configs: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, message, _type, topic, entries in answer.resources:
            if code:
                raise for_code(code)(f"the configuration of {topic}: {message}")
            configs[topic] = {entry[0]: entry[1] for entry in entries}
    return configs
