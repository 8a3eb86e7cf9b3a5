"""wa-streams: WhatsApp messages, requested through Kafka. See ARCHITECTURE.md for one request, file by file."""
