"""The few shapes of our pictures, as SVG that reads on light and on dark pages. Where they stand is not said here."""

from typing import Final

_FILL: Final = {"topic": "#fff3d6", "process": "#d8efe9", "other": "#e6e6f5"}
# The widest that a character of the usual fonts is on average: of a name (13, bold), and of a line below it (11).
_CHARACTER_WIDTHS: Final = (8.6, 5.8)
_MARGIN: Final = 4
_HEAD: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}"
  font-family="system-ui, sans-serif" font-size="13">
<title>{title}</title>
<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
  <path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>
<rect width="{width}" height="{height}" rx="8" fill="#fff"/>"""


def picture(title: str, width: int, height: int, *shapes: str) -> str:
    """A whole picture, on white."""
    return "\n".join([_HEAD.format(title=title, width=width, height=height), *shapes, "</svg>\n"])


def box(kind: str, at: tuple[int, int], size: tuple[int, int], *lines: str) -> str:
    """A box of a kind, with its name and smaller lines below it.

    Raises:
        ValueError: a line may be wider than the box.
    """
    (x, y), (width, height) = at, size
    for number, line in enumerate(lines):
        needed = len(line) * _CHARACTER_WIDTHS[min(number, 1)] + 2 * _MARGIN
        if needed > width:
            raise ValueError(f"{line!r} needs a box of {needed:.0f}, and has {width}")
    first_y = y + height / 2 - (len(lines) - 1) * 8 + 4.5
    shapes = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{_FILL[kind]}" stroke="#777"/>'
    ]
    for number, line in enumerate(lines):
        style = 'font-size="11" fill="#333"' if number else 'font-weight="600"'
        shapes.append(
            f'<text x="{x + width / 2:g}" y="{first_y + number * 16:g}" text-anchor="middle" {style}>{line}</text>'
        )
    return "\n".join(shapes)


def zone(at: tuple[int, int], size: tuple[int, int], name: str) -> str:
    """A dashed frame with a name, for example a machine."""
    (x, y), (width, height) = at, size
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="#f6f6f6" stroke="#aaa" '
        f'stroke-dasharray="5 4"/>\n<text x="{x + 10}" y="{y + 18}" font-size="12" fill="#333">{name}</text>'
    )


def arrow(path: str, *, both: bool = False) -> str:
    """An arrow along a path; `both`: with two heads."""
    start = ' marker-start="url(#a)"' if both else ""
    return f'<path d="{path}" fill="none" stroke="#555" stroke-width="1.4" marker-end="url(#a)"{start}/>'


def label(at: tuple[int, int], text: str) -> str:
    """A small word beside an arrow."""
    return f'<text x="{at[0]}" y="{at[1]}" font-size="11" fill="#333" text-anchor="middle">{text}</text>'
