#!/bin/sh
# Runs Qdrant's official clients, and LangChain's store, against a fresh `latent serve`. What a session needs is fetched
# into a folder of its own under $WORK (default: bin/clients), which can be deleted at any time. A session whose tool is
# missing is left out, and that is said.
#
#     sh server/clients/run.sh path/to/latent
set -eu

latent=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
work=${WORK:-$here/../../bin/clients}
mkdir -p "$work"
work=$(realpath "$work")
dir=$(mktemp -d)
server=

finish() {
	code=$?
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" || { echo "latent serve ended with exit code $?"; code=1; }
	fi
	[ $code = 0 ] || { echo "its log:"; tail -50 "$dir/log"; }
	rm -rf "$dir"
	exit $code
}
trap finish EXIT

"$latent" serve "$dir/store" --http 127.0.0.1:0 --grpc 127.0.0.1:0 --json >"$dir/listens" 2>"$dir/log" &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	[ -s "$dir/listens" ] && break
	kill -0 "$server" 2>/dev/null || break
	sleep 0.25
done
rest=$(sed -n 's/.*"http":"\([^"]*\)".*/\1/p' "$dir/listens")
grpc=$(sed -n 's/.*"grpc":"\([^"]*\)".*/\1/p' "$dir/listens")
[ -n "$rest" ] || { echo "latent serve did not start"; exit 1; }

left=
if command -v npm >/dev/null && command -v node >/dev/null; then
	if [ ! -d "$work/js/node_modules/@qdrant" ]; then
		mkdir -p "$work/js"
		(cd "$work/js" && npm install --silent --no-audit --no-fund --no-save @qdrant/js-client-rest@1.19.0)
	fi
	cp "$here/session.mjs" "$work/js/"
	node "$work/js/session.mjs" "$rest"
else
	left="$left JavaScript (node and npm are missing: apt-get install nodejs npm)"
fi

if command -v python3 >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null; then
	if [ ! -x "$work/py/bin/python" ] || ! "$work/py/bin/python" -c 'import langchain_qdrant' 2>/dev/null; then
		python3 -m venv "$work/py"
		"$work/py/bin/pip" install --quiet --disable-pip-version-check 'qdrant-client==1.20.0' 'langchain-qdrant==1.1.0'
	fi
	"$work/py/bin/python" "$here/session.py" "$rest"
	"$work/py/bin/python" "$here/vectorstore.py" "$rest"
else
	left="$left Python and LangChain (python3 with venv is missing: apt-get install python3-venv)"
fi

LATENT_GRPC="$grpc" go test -count=1 -run '^TestGoClient$' "$here/.."
echo "go: github.com/qdrant/go-client as expected"
[ -z "$left" ] || echo "left out:$left"
