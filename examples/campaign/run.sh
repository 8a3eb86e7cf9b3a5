#!/bin/sh
# A campaign: a template, a file with a row for each recipient, and a report. Run it twice, and nothing is sent twice.
set -eu
cd "$(dirname "$0")"
wa-streams templates put template.json
wa-streams batch customers.csv --template spring --campaign spring-2026 --dry-run >/dev/null
wa-streams batch customers.csv --template spring --campaign spring-2026 --priority bulk
# The report needs the extra `report`: pip install 'wa-streams[report]'.
wa-streams report --since 1h --by batch
