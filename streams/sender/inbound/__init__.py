"""Messages to the account: read from WhatsApp Web, published on `wa.inbound`."""
