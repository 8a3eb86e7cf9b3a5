"""The settings of wa-streams: what they are (`groups`), where they come from (`loading`), how they are listed.

A function that needs only a part of the settings takes the group, for example `KafkaSettings`.
"""

from streams.settings.groups import (
    GROUPS,
    AccountSettings,
    ClientSettings,
    KafkaSettings,
    LimitSettings,
    LoggingSettings,
    MachineSettings,
    RetrySettings,
    Settings,
    WebSettings,
    WhatsAppSettings,
    variable_name,
)
from streams.settings.listing import MASK, describe, to_environment
from streams.settings.loading import load, load_client
from streams.settings.types import PREFIX, SettingError

__all__ = [
    "GROUPS",
    "MASK",
    "PREFIX",
    "AccountSettings",
    "ClientSettings",
    "KafkaSettings",
    "LimitSettings",
    "LoggingSettings",
    "MachineSettings",
    "RetrySettings",
    "SettingError",
    "Settings",
    "WebSettings",
    "WhatsAppSettings",
    "describe",
    "load",
    "load_client",
    "to_environment",
    "variable_name",
]
