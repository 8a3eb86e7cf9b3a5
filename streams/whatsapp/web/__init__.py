"""The driver: WhatsApp Web in a Chromium, through wa-js and our adapter in the page."""
