#!/bin/bash
# Run by the image of PostgreSQL when its folder is empty: the two roles and the database of docs/operations.md. The
# passwords come from files, and reach the server on standard input.
set -euo pipefail
psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres <<'SQL'
\set owner `cat /run/secrets/owner_password`
\set program `cat /run/secrets/program_password`
CREATE ROLE sealdock_owner LOGIN PASSWORD :'owner';
CREATE ROLE sealdock LOGIN PASSWORD :'program';
CREATE DATABASE sealdock OWNER sealdock_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8';
REVOKE ALL ON DATABASE sealdock FROM PUBLIC;
GRANT CONNECT ON DATABASE sealdock TO sealdock;
SQL
