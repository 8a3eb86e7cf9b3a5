"""One Apache Kafka broker on this machine, for trials and tests. Knows neither Faust nor WhatsApp."""
