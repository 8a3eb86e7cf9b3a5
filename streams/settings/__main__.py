"""`python -m streams.settings --markdown > docs/settings.md`: writes the page of all settings."""

import argparse
import sys

from streams.settings.listing import render_markdown

parser = argparse.ArgumentParser(prog="python -m streams.settings", description=__doc__)
parser.add_argument("--markdown", action="store_true", required=True, help="print the page")
parser.parse_args()
sys.stdout.write(render_markdown())
