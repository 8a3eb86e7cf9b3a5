"""Measures this machine: a stack of its own, with a simulated WhatsApp. Never touches a real account."""
