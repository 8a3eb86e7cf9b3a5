"""A simulated WhatsApp, as a process of its own. Knows no Kafka and nothing of the driver that meets it."""
