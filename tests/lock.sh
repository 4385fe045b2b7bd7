#!/bin/sh
# Resolves pyproject.toml into the three lock files, for every Python and platform at once.
set -eu
compile() {
	out=$1; shift
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" "$@" pyproject.toml -o "requirements/$out.txt"
}
compile run --extra forward --extra smb
compile demo --extra demo --extra setup --extra forward
compile dev --extra demo --extra setup --extra forward --extra smb --extra dev
