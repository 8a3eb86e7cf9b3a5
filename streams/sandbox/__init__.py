"""A simulated WhatsApp, a process of its own, for tests, demos and the users' own tests."""
