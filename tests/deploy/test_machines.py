"""The examples for systemd and Kubernetes, as far as they can be tested without either of them."""

import re
import shlex
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.runtime.exit_codes import ExitCode
from streams.settings import Settings, load, variable_name
from tests.support.command_line import check_command

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
ENV_FILE = DEPLOY / "systemd" / "wa-streams.env"
OBJECTS: list[dict[str, Any]] = yaml.safe_load(
    (DEPLOY / "kubernetes" / "wa-streams.yaml").read_text()
)["items"]
WORKLOADS = {
    each["metadata"]["name"]: each for each in OBJECTS if each["kind"] in ("Job", "StatefulSet")
}
SETTINGS = {variable_name(field.name) for field in fields(Settings)}
PROBES = {"/healthz", "/readyz"}


def read_unit(unit: Path) -> dict[str, str]:
    """The directives; none of them occurs twice."""
    lines = [line for line in unit.read_text().splitlines() if re.match(r"[A-Z]\w*=", line)]
    pairs = [line.split("=", 1) for line in lines]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def read_variables(text: str) -> dict[str, str]:
    """Assignments as systemd reads them."""
    return dict(pair.split("=", 1) for pair in shlex.split(text, comments=True))


def pod_of(name: str) -> dict[str, Any]:
    return WORKLOADS[name]["spec"]["template"]["spec"]


# -- systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_names_what_exists(unit: Path) -> None:
    """Its command, its settings, and the exit codes after which a restart does not help."""
    directives = read_unit(unit)
    program, *arguments = shlex.split(directives["ExecStart"].replace("%i", "main"))
    assert program.endswith("/wa-streams")
    check_command(arguments)
    variables = read_variables(directives["Environment"]) | read_variables(ENV_FILE.read_text())
    ours = {name: value for name, value in variables.items() if name.startswith("WA_")}
    assert ours.keys() <= SETTINGS
    assert load(ours).accounts == ("main",)
    codes = {int(code) for code in directives["RestartPreventExitStatus"].split()}
    assert codes == {2, ExitCode.TOPIC_RECREATED, ExitCode.TOPIC_MISCONFIGURED}


def test_only_the_console_has_a_fixed_port() -> None:
    """Any number of dispatchers and senders run on one machine."""
    ports = {
        unit.name: read_variables(read_unit(unit)["Environment"])["WA_WEB_PORT"] for unit in UNITS
    }
    assert ports.pop("wa-streams-console.service") == "8080"
    assert set(ports.values()) == {"0"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_a_unit(unit: Path, tmp_path: Path) -> None:
    """Without a complaint; a program that exists takes the place of ours."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    copy = tmp_path / unit.name.replace("@", "@main")
    copy.write_text(unit.read_text().replace("/opt/wa-streams/bin/wa-streams", "/bin/true"))
    verified = subprocess.run([program, "verify", str(copy)], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


# -- Kubernetes


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_names_what_exists(name: str) -> None:
    """Its command, its settings, its volumes, its ports and the paths of its probes."""
    pod = pod_of(name)
    [container] = pod["containers"]
    check_command([argument.replace("$(POD_NAME)", "dispatch-0") for argument in container["args"]])
    [config] = [each for each in OBJECTS if each["metadata"]["name"] == "wa-streams"]
    own = {each["name"] for each in container["env"]} - {"POD_NAME"}
    assert own | config["data"].keys() <= SETTINGS
    settings = load(config["data"] | dict.fromkeys(own, "a-token"))
    volumes = {each["name"] for each in pod["volumes"]}
    claims = WORKLOADS[name]["spec"].get("volumeClaimTemplates", [])
    volumes |= {each["metadata"]["name"] for each in claims}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts.keys() == volumes
    assert mounts["data"] == str(settings.data_dir)
    for probe in ("livenessProbe", "readinessProbe"):
        if name != "topics":
            assert container[probe]["exec"]["command"][-1] in PROBES
            assert container["ports"] == [{"name": "web", "containerPort": settings.web_port}]


def test_a_file_that_no_sender_could_read_is_not_taken() -> None:
    """The console and the senders share no volume, so its uploads are off until there is a store for both."""
    [config] = [each for each in OBJECTS if each["metadata"]["name"] == "wa-streams"]
    settings = load(config["data"] | {"WA_WEB_TOKEN": "a-token"})
    assert settings.media_store is not None or not settings.uploads


def test_every_account_has_a_sender() -> None:
    """And each sender has an account."""
    [config] = [each for each in OBJECTS if each["metadata"]["name"] == "wa-streams"]
    commands = [pod_of(name)["containers"][0]["args"] for name in WORKLOADS]
    senders = [args[args.index("--account") + 1] for args in commands if args[0] == "sender"]
    assert senders == config["data"]["WA_ACCOUNTS"].split(",")


@pytest.mark.parametrize("name", WORKLOADS)
def test_no_pod_has_more_rights_than_it_needs(name: str) -> None:
    """No root, no capability, no writable image, no token of the cluster; a limit of memory where it works for long."""
    pod = pod_of(name)
    [container] = pod["containers"]
    rights = container["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    assert (rights["runAsNonRoot"], rights["allowPrivilegeEscalation"]) == (True, False)
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert name == "topics" or "memory" in container["resources"]["limits"]
