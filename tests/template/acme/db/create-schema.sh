#!/bin/bash
# Creates the schema
PGHOST=db01.test.acme.example
PGPORT=5432
PGUSER=shop_owner
PGPASSWORD=Geheim123!
export PGHOST PGPORT PGUSER PGPASSWORD
psql -v ON_ERROR_STOP=1 -d shop_test -f "$(dirname "$0")/schema.sql"
