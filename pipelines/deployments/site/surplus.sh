#!/bin/sh
# Names what is to go: everything but the newest ones, and never the one that is live. And what an interrupted installation left.
set -eu
keep=$1

cd "$FOLDER/releases"
live=$(basename "$(cd ../current && pwd -P)")
for name in *.part; do
  if [ -e "$name" ]; then echo "$name"; fi
done
# shellcheck disable=SC2012 # the names are ours: digits, letters and dashes
ls -t | grep -v '\.part$' | sed "/^$live\$/d" | tail -n "+$keep"
