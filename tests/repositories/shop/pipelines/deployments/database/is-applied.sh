#!/bin/sh
exec cmp -s "$2" "$FOLDER/$DATABASE/$1"
