"""When an event is delivered to an endpoint, and what follows from the endpoint's answer."""
