"""Foreign clients as judges of the sandbox (`make peers`).

Unmodified whatsapp-web.js, WPPConnect, WPP_Whatsapp and bare wa-js link, send, receive and log out on the
sandbox. Each was written against the real WhatsApp Web, so what it cannot do here the sandbox does wrong, or
the reason is in expected.toml. The sandbox's log judges, not the client's word.

This is a program and no test: pytest collects nothing here.
"""
