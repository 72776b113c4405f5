#!/bin/sh
surplus=$("$(dirname "$0")/surplus.sh" "$1") && [ -z "$surplus" ]
