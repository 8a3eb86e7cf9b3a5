"""Delivers status events and received messages to endpoints over HTTP, as the Standard Webhooks specification says."""
