"""The driver: WhatsApp Web in a Chromium, through wa-js and the adapter in the page."""
