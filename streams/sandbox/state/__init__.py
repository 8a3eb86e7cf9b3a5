"""What the simulated WhatsApp remembers: its world, the events that made it, and the faults to inject."""
