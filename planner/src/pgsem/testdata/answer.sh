#!/bin/sh
# Rewrites the answers in the .tsv files given, by asking PostgreSQL 15 (initdb --locale=C --encoding=UTF8). The connection
# comes from the PG* environment variables.
set -eu
export PGTZ=UTC PGOPTIONS='-c intervalstyle=postgres -c datestyle=ISO,MDY'
tab=$(printf '\t')
for file in "$@"; do
    while IFS= read -r line; do
        expression=${line%%"$tab"*}
        case $expression in
        '' | '#'*) printf '%s\n' "$line"; continue ;;
        esac
        answer=$(psql -X -q -v VERBOSITY=verbose -c "COPY (SELECT $expression) TO STDOUT" 2>&1 | sed -n '1s/^ERROR:  \([0-9A-Z]*\): /!\1 /;1p')
        printf '%s\t%s\n' "$expression" "$answer"
    done <"$file" >"$file.new"
    mv "$file.new" "$file"
done
