#!/bin/sh
# Does the environment work? Nothing is deployed yet, so this shows only that the automation reaches it: ask the
# application here as soon as there is one, for example: curl --fail --silent "http://$HOST:$PORT/health"
set -eu

echo "$TITLE is reached with release $CIAO_RELEASE"
