"""One WhatsApp account behind one interface, `driver.Driver`. Knows no Kafka."""
