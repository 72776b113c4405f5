#!/bin/sh
live=$(cd "$FOLDER/current" 2>/dev/null && pwd -P) && [ "$live" = "$(cd "$FOLDER/releases/$1" && pwd -P)" ]
