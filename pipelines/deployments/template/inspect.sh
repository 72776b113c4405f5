#!/bin/sh
# Is the archive whole, and of what was packed? It carries the id of its content; its end is two blocks of nothing.
set -eu

[ "$(git get-tar-commit-id <"$ARCHIVE")" = "$(cat "$ID")" ]
[ "$(tail -c 1024 "$ARCHIVE" | tr -d '\0' | wc -c)" -eq 0 ]
