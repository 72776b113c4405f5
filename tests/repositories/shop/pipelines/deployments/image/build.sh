#!/bin/sh
set -eu
printf '%s %s\n' "$1" "$CIAO_RELEASE" >"$2"
printf '{"file": "%s", "checksum": "%s"}\n' "$2" "$(cksum <"$2" | cut -d ' ' -f 1)"
