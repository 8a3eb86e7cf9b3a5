"""One Apache Kafka broker on this machine, for development and tests. Knows neither Faust nor WhatsApp."""
