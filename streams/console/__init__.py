"""The console: a read model built from the topics, pages for people, and an HTTP API. It decides nothing."""
