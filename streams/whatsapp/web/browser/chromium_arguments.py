"""Chromium's command line and its user agent. Pure: nothing may be started or read here."""

from streams.whatsapp.install.executable import Executable

# playwright/driver/package/lib/server/electron/loader.js: the last --enable-features wins, so
# Playwright's own list is repeated.
_FEATURES = "NetworkServiceInProcess2,CDPScreenshotNewSurface,SkipListAccountsWithoutGaiaCookies"
_LEAN_ARGS = (
    "--disable-software-rasterizer",
    "--disable-3d-apis",
    f"--enable-features={_FEATURES}",
)
_LEAN_SHELL_ARGS = ("--in-process-gpu",)
_LEAN_ARGS_WITHOUT_SANDBOX = ("--no-zygote",)  # with its sandbox, Chromium needs the zygote
# wa-js is configured not to report to Google. If it does so all the same, it reaches no host.
# This costs nothing, unlike a route, which takes each request through Python.
_BLOCKED_HOSTS = ", ".join(
    f"MAP {host} ~NOTFOUND"
    for host in ("analytics.google.com", "www.google-analytics.com", "www.googletagmanager.com")
)


def chromium_arguments(
    program: Executable, version: str, extra_args: tuple[str, ...], *, has_sandbox: bool
) -> list[str]:
    """The arguments that are added to Playwright's own.

    WhatsApp Web shows "unsupported browser" to a user agent that contains `Headless`.
    """
    major = version.split(".")[0]
    shell_args = _LEAN_SHELL_ARGS if has_sandbox else _LEAN_SHELL_ARGS + _LEAN_ARGS_WITHOUT_SANDBOX
    return [
        *_LEAN_ARGS,
        *(shell_args if program.headless_shell else ()),
        f"--host-resolver-rules={_BLOCKED_HOSTS}",
        f"--user-agent={user_agent(major)}",
        *extra_args,
    ]


def user_agent(major: str) -> str:
    """Chromium's own on Linux, reduced as it has been since version 110, without `Headless`."""
    engine = "AppleWebKit/537.36 (KHTML, like Gecko)"
    return f"Mozilla/5.0 (X11; Linux x86_64) {engine} Chrome/{major}.0.0.0 Safari/537.36"


def user_agent_override(version: str) -> dict[str, object]:
    """The override that also takes `HeadlessChrome` out of the shell's sec-ch-ua header."""
    major = version.split(".")[0]
    brands = (("Chromium", major, version), ("Not;A=Brand", "24", "24.0.0.0"))
    return {
        "userAgent": user_agent(major),
        "userAgentMetadata": {
            "brands": [{"brand": name, "version": short} for name, short, _ in brands],
            "fullVersionList": [{"brand": name, "version": full} for name, _, full in brands],
            "platform": "Linux",
            "platformVersion": "",
            "architecture": "x86",
            "bitness": "64",
            "model": "",
            "mobile": False,
        },
    }
