#!/usr/bin/env bash
# homeshelf run for each day from FIRST to LAST, the oldest first. A day that has pages is left alone, so what was
# interrupted is started again with the same line; the first day that fails ends it.
#
#   templates/backfill.sh 2025-12-25 2025-12-31 --events=/data/events --tracks=/data/tracks --output=/data/home
#
# HOMESHELF (.venv/bin/homeshelf): the command
set -euo pipefail

first="${1:?the first day, such as 2025-12-25}" last="${2:?the last day}"
shift 2
homeshelf="${HOMESHELF:-.venv/bin/homeshelf}"
output=""
for flag in "$@"; do
  [[ $flag != --output=* ]] || output="${flag#--output=}"
done
: "${output:?--output is not given}"
last="$(date -u -d "$last" +%F)"
# 1: some pointer names nothing; that day has no pages
runs="$("$homeshelf" runs --output="$output" --json)" || (($? == 1))
done_days="$(grep '"state": "current"' <<<"$runs" || true)"

for ((day = 0; ; day++)); do
  today="$(date -u -d "$first + $day days" +%F)"
  [[ ! $today > $last ]] || break
  if [[ $done_days == *"\"day\": \"$today\""* ]]; then
    echo "$today has pages"
    continue
  fi
  # a day's pages are those of the midnight that ends it; weekly shelves keep their tracks within a week
  "$homeshelf" run --carry_over_from="$output" "$@" --as_of="$(date -u -d "$today + 1 day" +%F)"
done
