"""The settings of files that are fetched by URL and of those that are received: a group of groups.py. Reads nothing."""

from dataclasses import dataclass

from streams.settings.types import AtLeast0, AtLeast1, Network, UrlScheme, setting


@dataclass(frozen=True, kw_only=True)
class MediaSettings:
    """Files that are fetched by URL, and files that are received."""

    media_max_mb: AtLeast1 = setting(
        100, "Size of the largest file that is fetched, in MB. WhatsApp's own limits hold too."
    )
    media_timeout_s: AtLeast1 = setting(
        120, "A file that is not fetched within this many seconds ends as `media_fetch_failed`."
    )
    media_cache_mb: AtLeast1 = setting(
        1024, "MB of fetched files that are kept, for all accounts of this machine together."
    )
    media_cache_s: AtLeast0 = setting(
        300,
        "For this many seconds, a URL that was fetched is not requested again. "
        "After that, the server is asked whether the file has changed.",
    )
    media_schemes: tuple[UrlScheme, ...] = setting(
        (),
        "Schemes besides http and https that the URL of a file may have, for example s3,gs. They need fsspec and its "
        "packages, with credentials of their own; callers can send everything that these can read.",
    )
    media_allowed_networks: tuple[Network, ...] = setting(
        (),
        "Networks that are not public and from which files may be fetched all the same, for example "
        "10.1.0.0/16. Callers can then reach every web server in them.",
    )
    uploads: bool = setting(
        True,
        "false: the HTTP API takes no files (501). For a console that shares neither a data folder nor "
        "`WA_MEDIA_STORE` with the senders: they could not read what it has stored.",
    )
    upload_retention_days: AtLeast1 = setting(
        30,
        "Days for which a file is kept that was uploaded to the HTTP API. A message that is sent later fails.",
    )
    media_store: str | None = setting(
        None,
        "Where received and uploaded files go: a folder, or an address of fsspec such as `s3://bucket/folder`. "
        "Without it: the folder `media` in the data folder.",
    )
    inbound_media_max_mb: AtLeast0 = setting(
        100, "A larger file that is received is not downloaded. 0: none is."
    )
