"""The two pictures of the documents: how a request becomes a message, and a deployment on three machines."""

from docs.generate.drawing import arrow, box, label, picture, zone


def render_architecture() -> str:
    """Topics are yellow, processes of wa-streams green, everything else blue."""
    return picture(
        "How a request becomes a message: topics are yellow, processes of wa-streams green",
        *(740, 410),
        box("other", (16, 40), (130, 56), "your programs", "produce, consume"),
        box("topic", (190, 30), (120, 34), "wa.outbound"),
        box("topic", (190, 150), (120, 30), "wa.status"),
        box("topic", (190, 190), (120, 30), "wa.dlq"),
        box("topic", (190, 230), (120, 30), "wa.inbound"),
        box("process", (380, 30), (110, 56), "dispatcher", "intake"),
        box("topic", (550, 38), (170, 40), "wa.internal.phone", "one log per recipient"),
        box("process", (550, 130), (170, 66), "dispatcher", "phone stage", "rows in RocksDB"),
        box("topic", (550, 240), (170, 40), "wa.internal.send.*", "one per account"),
        box("process", (380, 320), (110, 60), "sender", "one per account"),
        box("topic", (550, 330), (170, 40), "wa.accounts", "state, QR code"),
        box("process", (190, 320), (120, 60), "Chromium", "WhatsApp Web", "with wa-js"),
        box("other", (16, 320), (130, 60), "WhatsApp", "server, phones"),
        arrow("M146 50H186"),
        arrow("M310 50H376"),
        arrow("M490 58H546"),
        arrow("M635 78V126"),
        arrow("M635 196V236"),
        arrow("M550 260H470V316"),
        arrow("M376 350H314", both=True),
        arrow("M186 350H150", both=True),
        arrow("M490 350H546"),
        arrow("M550 155H314"),
        label((360, 149), "statuses"),
        arrow("M550 185H412V205H314"),
        label((360, 199), "dead letters"),
        arrow("M412 320V245H314"),
        label((360, 239), "messages"),
        arrow("M440 320V110H575V82"),
        label((508, 104), "outcomes, receipts"),
        arrow("M190 165H100V100"),
        arrow("M190 205H75V100"),
        arrow("M190 245H50V100"),
    )


def render_deployment() -> str:
    """Three brokers, and what runs on which machine."""
    brokers = [
        box("topic", (270, 50 + 68 * n), (110, 52), f"broker {n + 1}", "TLS, SASL, ACLs")
        for n in range(3)
    ]
    return picture(
        "A deployment on three machines with three brokers",
        *(910, 400),
        zone((20, 20), (200, 250), "your programs"),
        box("other", (40, 55), (160, 44), "order service", "produces, follows statuses"),
        box("other", (40, 115), (160, 44), "reply bot", "consumer group"),
        box("other", (40, 175), (160, 44), "any HTTP client", "with a token"),
        zone((250, 20), (150, 250), "Kafka"),
        *brokers,
        zone((430, 20), (330, 120), "machine A"),
        box("process", (445, 50), (140, 40), "dispatch-1", "its own disk"),
        box("process", (605, 50), (140, 40), "sender main", "profile on this disk"),
        box("process", (605, 96), (140, 34), "Chromium"),
        zone((430, 150), (330, 120), "machine B"),
        box("process", (445, 180), (140, 40), "dispatch-2", "takes over from 1"),
        box("process", (605, 180), (140, 40), "sender sales-1", "profile on this disk"),
        box("process", (605, 226), (140, 34), "Chromium"),
        zone((250, 290), (510, 80), "machine C"),
        box("process", (270, 318), (140, 40), "console", "pages, HTTP API"),
        box("other", (435, 318), (145, 40), "proxy with TLS", "people, HTTP clients"),
        box("other", (605, 318), (140, 40), "Prometheus", "/metrics of all"),
        box("other", (795, 130), (100, 50), "WhatsApp"),
        arrow("M204 77H266", both=True),
        arrow("M204 137H266", both=True),
        arrow("M384 76H426", both=True),
        arrow("M384 212H426", both=True),
        arrow("M365 242V314", both=True),
        arrow("M435 338H414"),
        arrow("M120 219V385H505V362"),
        arrow("M749 113H770V145H791", both=True),
        arrow("M749 243H770V165H791", both=True),
    )
