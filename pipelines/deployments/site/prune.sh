#!/bin/sh
set -eu

surplus=$("$(dirname "$0")/surplus.sh" "$1")
cd "$FOLDER/releases"
for name in $surplus; do
  echo "removing $name"
  rm -rf "$name"
done
