#!/bin/bash
export PGPASSWORD='Geheim123!'
psql -h db01.test.acme.example -p 5432 -U shop_owner -d shop_test -f reference.sql
