"""A QR code in the terminal, and what to do with it. Pure."""

import io

import segno


def render_qr(qr: str, *, use_colors: bool) -> str:
    """The code in half blocks. `use_colors` makes sure that it is light on dark, which scanners need."""
    out = io.StringIO()
    segno.make(qr, error="l").terminal(out, compact=True)
    lines = out.getvalue().splitlines()
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" if use_colors else line for line in lines)


def format_link_instructions(account: str) -> str:
    """What the user does with the code."""
    return f"{account}: scan this code with WhatsApp > Settings > Linked devices > Link a device"
