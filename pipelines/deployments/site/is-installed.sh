#!/bin/sh
# Not only whether it is there: whether it is whole. A copy that was interrupted, or changed by somebody, is not.
exec diff -r "$1" "$FOLDER/releases/$2" >/dev/null 2>&1
