"""Chromium: how it is started and ended, its profile, and its databases. Knows nothing of WhatsApp."""
