"""A simulated WhatsApp: the page, the server and the recipients' phones.

Kafka and a browser may not appear here; of `streams.whatsapp` it uses the ack levels alone.
"""
