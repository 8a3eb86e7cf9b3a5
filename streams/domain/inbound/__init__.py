"""Received messages: which are read next from WhatsApp Web, and which are published."""
