#!/usr/bin/env bash
# homeshelf backfill, for schedulers that start scripts; docs/how-to/operate/schedule.md
#
#   templates/backfill.sh --first_day=2025-12-25 --last_day=2025-12-31 --config=/srv/homeshelf/homeshelf.yaml
#
# HOMESHELF (.venv/bin/homeshelf): the command
set -euo pipefail
exec "${HOMESHELF:-.venv/bin/homeshelf}" backfill "$@"
