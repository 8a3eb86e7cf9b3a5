"""The RocksDB of each partition: opened, filled from the changelog, set aside when it is damaged."""
