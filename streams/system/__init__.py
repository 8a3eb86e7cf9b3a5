"""Processes and ports of this machine. Knows nothing of Kafka or WhatsApp."""
