"""Faust's table on our own store. The durable table (streams/runtime/table.py) wraps it."""

from typing import Any

import faust

from streams.runtime.store.local_store import LocalStore


class Table(faust.Table[Any, Any]):
    """Faust's table on our own store, whatever the setting `store` says."""

    def _new_store_by_url(self, url: Any) -> LocalStore:
        return LocalStore(
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            options=self.options,
        )
