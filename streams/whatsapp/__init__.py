"""One WhatsApp account behind one interface, `driver.Driver`. Kafka may not appear here."""
