#!/bin/sh
set -eu
[ -n "$PASSWORD" ] # it would be sent to the machine
printf 'title=%s\nport=%s\ndatabase=%s\n' "$TITLE" "$PORT" "$DATABASE" >"$MACHINE/configuration"
