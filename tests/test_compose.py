"""docker-compose.kafka.yml and Dockerfile, as far as they can be tested without a container engine.

They are compared with what exists: settings, commands, files, the version of the broker.
"""

import json
import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.embedded_kafka import jars
from streams.settings import SettingError, Settings, load, variable_name
from streams.whatsapp.install import bundle
from tests.support.command_line import check_command

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WA_SERVICES = {name: service for name, service in SERVICES.items() if name != "broker"}
MEDIA = "media:/media"
BROKER: dict[str, Any] = SERVICES["broker"]["environment"]


def _interpolated(value: Any) -> str:
    """The value as compose interpolates it when only the token is set."""
    text = str(value).replace("${WA_WEB_TOKEN:-}", "a-token")
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def _settings(service: dict[str, Any]) -> Settings:
    return load({name: _interpolated(value) for name, value in service["environment"].items()})


@pytest.mark.parametrize("name", WA_SERVICES)
def test_every_variable_is_a_setting_with_a_valid_value(name: str) -> None:
    """A misspelt variable must not go unnoticed, so each must name a setting."""
    variables = {variable_name(field.name) for field in fields(Settings)}
    assert WA_SERVICES[name]["environment"].keys() <= variables
    settings = _settings(WA_SERVICES[name])
    assert settings.kafka_bootstrap_servers == "broker:19092"
    assert str(settings.data_dir) == "/data"


def test_there_is_one_sender_for_each_account() -> None:
    """Each account has its sender, and each sender has an account that exists."""
    accounts = [
        service["command"][2]
        for service in WA_SERVICES.values()
        if service["command"][0] == "sender"
    ]
    for service in WA_SERVICES.values():
        assert list(_settings(service).accounts) == accounts


@pytest.mark.parametrize("name", WA_SERVICES)
def test_every_command_exists(name: str) -> None:
    """The command line itself parses it."""
    check_command(WA_SERVICES[name]["command"])


def test_the_brokers_variables_are_well_formed() -> None:
    """KAFKA_ and the property in capitals; only the image itself reads another."""
    for key, value in BROKER.items():
        assert key == "CLUSTER_ID" or re.fullmatch(r"KAFKA_[A-Z]+(_[A-Z]+)*", key)
        assert isinstance(value, str | int), f"{key} must be quoted, or YAML makes it {value!r}"
    assert re.fullmatch(r"[\w][\w-]{21}", BROKER["CLUSTER_ID"])
    assert BROKER["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_brokers_listeners_are_consistent() -> None:
    """Each listener has a protocol; those for clients are advertised at the same ports."""
    listeners = _listeners("KAFKA_LISTENERS")
    advertised = _listeners("KAFKA_ADVERTISED_LISTENERS")
    protocols = dict(
        pair.split(":") for pair in BROKER["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    controller = BROKER["KAFKA_CONTROLLER_LISTENER_NAMES"]
    assert protocols.keys() == listeners.keys()
    assert advertised.keys() == listeners.keys() - {controller}
    assert BROKER["KAFKA_INTER_BROKER_LISTENER_NAME"] in advertised
    assert all(listeners[name][1] == port for name, (_, port) in advertised.items())
    voter = f"{BROKER['KAFKA_NODE_ID']}@broker:{listeners[controller][1]}"
    assert BROKER["KAFKA_CONTROLLER_QUORUM_VOTERS"] == voter


def _listeners(key: str) -> dict[str, tuple[str, str]]:
    listeners = re.findall(r"(\w+)://([\w.]*):(\d+)", BROKER[key])
    return {name: (host, port) for name, host, port in listeners}


def test_the_services_and_the_host_reach_the_broker() -> None:
    """The services by its name, this machine through the published port."""
    advertised = set(_listeners("KAFKA_ADVERTISED_LISTENERS").values())
    inside = _settings(WA_SERVICES["dispatch"]).kafka_bootstrap_servers
    assert inside is not None
    assert advertised == {tuple(inside.split(":")), ("localhost", "9092")}
    assert SERVICES["broker"]["hostname"] == "broker"


def test_nothing_is_published_beyond_this_machine() -> None:
    """Every published port is bound to the loopback, at the port that the container listens on."""
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert published["broker"] == ["127.0.0.1:9092:9092"]
    assert published["dispatch"] == [
        f"127.0.0.1:8080:{_settings(WA_SERVICES['dispatch']).web_port}"
    ]
    for ports in published.values():
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)


def test_all_lasting_data_is_on_volumes() -> None:
    """Records, tables and a link outlive their containers; each volume is declared and used once."""
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    volumes = [mount.split(":")[0] for mount in mounts if mount != MEDIA]
    assert sorted([*volumes, "media"]) == sorted(COMPOSE["volumes"])
    assert f"kafka:{BROKER['KAFKA_LOG_DIRS']}" in mounts
    for name in ("dispatch", "sender", "console"):
        own = [mount for mount in WA_SERVICES[name]["volumes"] if mount != MEDIA]
        assert [mount.split(":")[1] for mount in own] == ["/data"]


def test_a_sender_finds_what_the_console_has_stored() -> None:
    """Both have the volume of the files, which the image gives to the user of the service."""
    having = {name for name, service in WA_SERVICES.items() if MEDIA in service.get("volumes", [])}
    assert having == {"sender", "console"}
    for name in having:
        assert _settings(WA_SERVICES[name]).media_store == MEDIA.split(":")[1]
    assert "--owner wa --group wa /data /media" in (ROOT / "Dockerfile").read_text()


def test_workers_start_after_the_topics_exist() -> None:
    """A worker without topics would end at once; the topics need the broker."""
    assert WA_SERVICES["topics"]["command"] == ["topics", "create"]
    assert WA_SERVICES["topics"]["depends_on"] == {"broker": {"condition": "service_healthy"}}
    for name in ("dispatch", "sender", "console"):
        expected = {"topics": {"condition": "service_completed_successfully"}}
        assert WA_SERVICES[name]["depends_on"] == expected


def test_each_lasting_service_is_supervised() -> None:
    """It is restarted when it ends, and it has a probe."""
    for name in ("broker", "dispatch", "sender", "console"):
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    for name in ("dispatch", "sender", "console"):
        _, python, option, program = SERVICES[name]["healthcheck"]["test"]
        assert (python, option) == ("python", "-c")
        compile(program, name, "exec")
        assert f":{_settings(WA_SERVICES[name]).web_port}/healthz" in program


def test_the_broker_is_the_tested_one() -> None:
    """The image has the version of the embedded broker."""
    assert SERVICES["broker"]["image"].split("@")[0] == f"apache/kafka:{jars.VERSION}"


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_has_only_what_it_needs(name: str) -> None:
    """No capability, no way to a new one, and nothing that can be written but volumes and memory."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert "/tmp" in [mount.split(":")[0] for mount in service["tmpfs"]]
    assert not service.keys() & {"privileged", "pid", "ipc", "network_mode", "devices"}


def test_every_foreign_image_is_pinned() -> None:
    """A tag may name another image tomorrow; a digest may not. The Dockerfile has one base."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(bases) == 2 and len(set(bases)) == 1
    for image in (*bases, SERVICES["broker"]["image"]):
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image


def test_the_image_is_built_once() -> None:
    """One service builds it, no registry is asked for it, and the others wait for that service."""
    builders = [name for name, service in WA_SERVICES.items() if "build" in service]
    assert builders == ["topics"]
    assert len({service["image"] for service in WA_SERVICES.values()}) == 1
    for name, service in WA_SERVICES.items():
        assert service["pull_policy"] == ("build" if name in builders else "never")


def test_the_file_follows_the_compose_specification() -> None:
    """By the schema that is published with the specification."""
    validator = ROOT / ".tools" / "venv" / "bin" / "check-jsonschema"
    if not validator.is_file():
        reason = "the validator is not installed; run make tools"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    schema = ("--builtin-schema", "vendor.compose-spec")
    run = subprocess.run(
        [str(validator), *schema, str(ROOT / "docker-compose.kafka.yml")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_each_part_is_a_service_that_is_watched() -> None:
    """What runs for good has a health check, restarts, and may write only to its volume and to memory."""
    for name, service in SERVICES.items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        if name != "topics":
            assert service["healthcheck"] and service["restart"] == "unless-stopped", name


def test_no_variable_is_required() -> None:
    """`logs`, `ps` and `down` work without the token. A missing token ends `topics`, and so `up`."""
    text = (ROOT / "docker-compose.kafka.yml").read_text()
    assert re.findall(r"\$\{\w+:?\?", text) == []
    variables = re.findall(r"\$\{?\w+[^}]*\}?", text)
    assert all(re.fullmatch(r"\$\{\w+:-[^}]*\}", variable) for variable in variables)
    environment = {key: str(value) for key, value in WA_SERVICES["topics"]["environment"].items()}
    with pytest.raises(SettingError, match="WA_WEB_TOKEN"):
        load(environment | {"WA_WEB_TOKEN": "", "WA_LOG_LEVEL": "info"})


def test_chromium_can_have_its_sandbox() -> None:
    """The sender's filter of system calls allows what the sandbox needs, and nothing that it must not do."""
    (filter_option,) = [
        option for option in SERVICES["sender"]["security_opt"] if option.startswith("seccomp:")
    ]
    profile = json.loads((ROOT / filter_option.removeprefix("seccomp:")).read_text())
    assert profile["defaultAction"] == "SCMP_ACT_ALLOW"
    assert {rule["action"] for rule in profile["syscalls"]} == {"SCMP_ACT_ERRNO"}
    names = [name for rule in profile["syscalls"] for name in rule["names"]]
    assert len(names) == len(set(names))
    assert not {"clone", "clone3", "unshare", "setns", "chroot"} & set(names)
    assert {"mount", "bpf", "ptrace", "keyctl", "init_module", "kexec_load", "reboot"} <= set(names)
    for name in ("broker", "topics", "dispatch"):
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]  # the engine's filter


def test_the_image_is_built_from_existing_files() -> None:
    """Each file that is copied exists and is part of the build context, and each lock file exists."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    copied = [
        line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line
    ]
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for source in [source for sources in copied for source in sources]:
        assert (ROOT / source).exists(), source
        top = source.split("/")[0]
        assert f"!{top}" in allowed or f"!{top}/" in allowed, source
    for file in re.findall(r"-r (requirements/\S+)", "\n".join(lines)):
        assert (ROOT / file).is_file(), file


def test_the_image_keeps_its_data_on_the_volumes() -> None:
    """It does not run as root."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "WA_DATA_DIR=/data" in dockerfile and "VOLUME /data" in dockerfile
    assert "\nUSER wa\n" in dockerfile
    assert 'ENTRYPOINT ["wa-streams"]' in dockerfile


def test_the_images_user_finds_wa_js() -> None:
    """It is fetched while the image is built, into the cache that its user has at run time."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"XDG_CACHE_HOME=/cache python -m {bundle.__name__}" in dockerfile
    assert "COPY --from=build --chown=wa:wa /cache/ /home/wa/.cache/" in dockerfile
    assert "useradd --create-home --uid 1000 wa" in dockerfile
    assert "XDG_CACHE_HOME" not in dockerfile.rpartition("FROM")[2]
