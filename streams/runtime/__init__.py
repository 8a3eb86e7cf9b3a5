"""Faust made safe: an app that loses no event at kills and rebalances, and durable writes. Knows no WhatsApp."""
