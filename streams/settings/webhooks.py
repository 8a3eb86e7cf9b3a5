"""The settings of webhooks: where the endpoints are described, and what may be reached. Reads nothing.

The endpoints are in a file of their own, because each has a secret and filters: no variable holds a list of such.
"""

from dataclasses import dataclass

from streams.settings.types import AtLeast1, Network
from streams.settings.types import setting as _setting


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """Webhooks: endpoints that get status events and received messages by HTTP."""

    webhooks_file: str | None = _setting(
        None,
        "TOML file with the endpoints of webhooks and their secrets (docs/webhooks.md). Only its owner should be "
        "able to read it. With it, `up` runs `wa-streams webhooks` too.",
    )
    webhooks_timeout_s: AtLeast1 = _setting(
        15, "An endpoint that does not answer within this many seconds has failed."
    )
    webhooks_max_in_flight: AtLeast1 = _setting(
        8,
        "Events that are in flight to one endpoint at a time. They are of different recipients.",
    )
    webhooks_allowed_networks: tuple[Network, ...] = _setting(
        (),
        "Networks that are not public and in which endpoints may be all the same, for example 10.1.0.0/16.",
    )
