"""What the workers exchange with the brokers: durable writes, and questions that need an answer."""
