"""The types of settings, which values each may have, and how a setting is declared. Declares none.

The description of a type completes the sentence "must be …".

Only msgspec is imported here, and nothing is read.
"""

from dataclasses import field
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

PREFIX: Final = "WA_"


class SettingError(ValueError):
    """A setting is wrong. The message names it, the value found and what is needed, in one line."""


def setting(default: Any, meaning: str, *, secret: bool = False, separator: str = ",") -> Any:
    """A field; `separator` divides the items of a list in an environment variable."""
    metadata = {"meaning": meaning, "secret": secret, "separator": separator}
    return field(default=default, metadata=metadata, repr=not secret)


Port = Annotated[int, Meta(ge=0, le=65_535, description="a port number from 0 to 65535")]
AtLeast0 = Annotated[int, Meta(ge=0, description="a whole number, 0 or more")]
AtLeast1 = Annotated[int, Meta(ge=1, description="a whole number, 1 or more")]
Percent = Annotated[int, Meta(ge=0, le=1000, description="a percentage from 0 to 1000")]
# An accepted request is stored with its original bytes beside its parsed content, in 8 MiB at most.
RequestBytes = Annotated[
    int, Meta(ge=1, le=3_145_728, description="a number of bytes from 1 to 3145728")
]
# More would only cost: a partition is an actor, a store and a changelog.
Partitions = Annotated[
    int, Meta(ge=1, le=1000, description="a whole number of partitions from 1 to 1000")
]
# Without 0, which would mean a topic without a copy.
Replicas = Annotated[
    int,
    Meta(
        ge=-1,
        le=100,
        description="a whole number of replicas from 1 to the number of brokers, or -1 for their default",
    ),
]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        description="a name of at most 32 lower-case letters, digits and hyphens",
    ),
]
AccountWeight = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}=[0-9]{1,3}$",
        description="an account and its weight from 0 to 999, like main=2",
    ),
]
Region = Annotated[
    str, Meta(pattern=r"^[A-Z]{2}$", description="a country code of two capital letters, like MY")
]
HoursOfDay = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="two times of day, like 21:00-08:00",
    ),
]
UrlScheme = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9+.-]{0,31}$",
        description="the first word of an address in lower case, like s3",
    ),
]
Network = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$",
        description="an IP address or a network, like 10.0.0.0/8",
    ),
]
TopicPrefix = Annotated[
    str,
    Meta(
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$",
        description="at most 64 letters, digits, dots, underscores and hyphens",
    ),
]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
