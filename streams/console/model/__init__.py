"""The read model: what the topics say, in a SQLite file that can be deleted at any time."""
