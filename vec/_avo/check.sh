#!/bin/sh
# Regenerates the assembly in a copy, and fails if what is committed is anything else.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp -r _avo "$tmp/_avo"
sed -n 's|^//go:generate ||p' *.go >"$tmp/commands"
(cd "$tmp" && sh -eu ./commands)
for f in *_amd64.s; do
	[ -f "$tmp/$f" ] || { echo "vec/$f: no generator writes it"; exit 1; }
done
for f in "$tmp"/*_amd64.s "$tmp"/*_amd64.go; do
	cmp "$f" "$(basename "$f")" || { echo "vec/$(basename "$f") is not what its generator writes: go generate ./vec"; exit 1; }
done
