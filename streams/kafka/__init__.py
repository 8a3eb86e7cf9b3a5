"""Plain Kafka clients: connection, topics, administration, readers, views, lag. Knows neither Faust nor WhatsApp."""
