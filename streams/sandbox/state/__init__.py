"""The state of the simulated WhatsApp: its world, the events that made it, and the faults."""
