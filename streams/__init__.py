"""wa-streams: WhatsApp messages asked for through Kafka. See ARCHITECTURE.md for one request, file by file."""
