"""Makes the source of files that the settings describe. Fetches nothing."""

from contextlib import AsyncExitStack
from typing import Final

from streams.contract.request.media_url import UPLOAD_SCHEME
from streams.domain.addresses import parse_networks
from streams.media.cache import MediaCache
from streams.media.remote import RemoteClient
from streams.media.source import MediaSource
from streams.media.upload_client import UploadClient
from streams.media.upload_store import UploadStore
from streams.media.web import WebClient
from streams.settings import Settings

MEDIA_CACHE: Final = "media-cache"  # the folder's name, below WA_DATA_DIR
_MIB: Final = 1 << 20


def create_source(settings: Settings, owner: str, closing: AsyncExitStack) -> MediaSource:
    """The source for the worker of this name; `closing` closes it."""
    cache = MediaCache(
        settings.data_dir / MEDIA_CACHE,
        owner,
        max_bytes=settings.media_cache_mb * _MIB,
        max_age_s=settings.media_cache_s,
    )
    web = WebClient(parse_networks(settings.media_allowed_networks))
    uploads = UploadClient(UploadStore(settings))
    remote = RemoteClient(settings.media_schemes)
    source = MediaSource(
        cache,
        {
            "http": web,
            "https": web,
            UPLOAD_SCHEME: uploads,
            **dict.fromkeys(settings.media_schemes, remote),
        },
        max_file_bytes=settings.media_max_mb * _MIB,
        timeout_s=settings.media_timeout_s,
        min_free_bytes=settings.min_free_disk_mb * _MIB,
    )
    closing.push_async_callback(source.close)
    return source
