"""A simulated WhatsApp: the page, the server and the recipients' phones. Knows neither Kafka nor the driver."""
