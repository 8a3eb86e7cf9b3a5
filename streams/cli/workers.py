"""`dispatch`, `sender` and `sandbox`: the processes that `up` starts, one of each, in the foreground."""

import re
from dataclasses import replace

import click

from streams.local import run_dir
from streams.operations.errors import UsageError
from streams.settings import Settings, load
from streams.system import ports

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,63}$")


def _validate_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A worker's name becomes names of files."""
    if value is not None and not _NAME.match(value):
        raise click.BadParameter(
            f"{value!r}: lower-case letters, digits and hyphens, for example dispatch-2."
        )
    return value


name_option = click.option(
    "--name", callback=_validate_name, help="of this worker, on this machine another for each"
)
sandbox_option = click.option(
    "--sandbox", is_flag=True, help="against the simulated WhatsApp that runs on this data folder"
)


@click.command()
@name_option
def dispatch(name: str | None) -> int:
    """Run a dispatcher: intake, queues, limits, retries."""
    settings = run_dir.resolve_kafka(load())
    _check_port_is_free(settings)
    from streams.dispatch.app import run

    return run(settings, name or "dispatch-1")


def _check_port_is_free(settings: Settings) -> None:
    """Said before Faust begins, which takes any error of a start for a crash of the worker."""
    is_loopback = settings.web_host in ("127.0.0.1", "localhost")
    if is_loopback and settings.web_port and not ports.is_free(settings.web_port):
        raise UsageError(
            f"WA_WEB_PORT={settings.web_port}: is taken on {settings.web_host}; "
            "set another, or 0 for any free one"
        )


@click.command()
@click.option("--account", required=True, help="the sending account, one of WA_ACCOUNTS")
@name_option
@sandbox_option
def sender(account: str, name: str | None, sandbox: bool) -> int:
    """Run the sender of one account, with its browser."""
    settings = run_dir.resolve_kafka(load())
    if account not in settings.accounts:
        raise UsageError(
            f"{account} is none of the accounts ({', '.join(settings.accounts)}); "
            "add it to WA_ACCOUNTS and run `wa-streams topics create`"
        )
    _check_port_is_free(settings)
    if sandbox:
        settings = use_sandbox(settings)
    from streams.sender import app

    return app.run(settings, account, name or f"sender-{account}")


def use_sandbox(settings: Settings) -> Settings:
    """The settings with which a browser meets the sandbox that runs here. Raises Wrong without one."""
    from streams.sandbox.client import SandboxClient

    sandbox_args = SandboxClient(find_sandbox_url(settings)).fetch_browser_args()
    return replace(settings, whatsapp_browser_args=(*settings.whatsapp_browser_args, *sandbox_args))


def find_sandbox_url(settings: Settings) -> str:
    """The control of the sandbox on this data folder, else the one at WA_SANDBOX_PORT."""
    run_file = run_dir.read_run_file(settings, "sandbox")
    if run_file is not None:
        return run_file.web
    if settings.sandbox_port:
        return f"http://127.0.0.1:{settings.sandbox_port}"
    raise UsageError(f"no sandbox runs on {settings.data_dir}: start `wa-streams sandbox`")


@click.command()
@name_option
@click.option("--auto-scan", is_flag=True, help="a phone scans whatever page shows a QR code")
@click.option("--ack-delay-ms", default=0, show_default=True, help="before each ack")
@click.option("--read-ms", default=None, type=int, help="from delivery to reading; none: never")
@click.option("--json", "as_json", is_flag=True, help="say that it is ready as JSON")
def sandbox(
    name: str | None, auto_scan: bool, ack_delay_ms: int, read_ms: int | None, as_json: bool
) -> int:
    """Play WhatsApp on this machine, for tests and demonstrations."""
    from streams.observability import run_file
    from streams.sandbox import app

    settings = load()
    with run_file.managed_run_file(settings.data_dir, name or "sandbox") as publish_url:
        return app.run(
            data_dir=settings.data_dir,
            port=settings.sandbox_port,
            auto_scan=auto_scan,
            ack_delay_ms=ack_delay_ms,
            read_ms=read_ms,
            as_json=as_json,
            on_ready=publish_url,
        )
