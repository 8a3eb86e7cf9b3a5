"""Kafka and Faust made safe: nothing here knows WhatsApp."""
