"""WhatsApp Web in a Chromium of its own. Knows no Kafka, no topics and no tables."""
