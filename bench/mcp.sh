#!/bin/sh
# Measures tool calls beside the official MCP memory server, through the official Python client, in less than eight minutes
# once all is built. Options go to mcp/run.py. What it needs is installed by name under bench/.cache.
#
# --ai-memory BIN takes that server in too. Its newest version needs a newer compiler than this workspace; the one measured is
#   cargo install ai-memory --version 0.6.4 --locked --root DIR --target-dir DIR/target
set -eu
bench=$(cd "$(dirname "$0")" && pwd)
cache="$bench/.cache"
mkdir -p "$cache"
[ -x "$cache/python/bin/python" ] || python3 -m venv "$cache/python"
"$cache/python/bin/python" -m pip install --quiet --disable-pip-version-check "mcp==2.3.0"
npm install --silent --no-fund --no-audit --prefix "$cache/node" "@modelcontextprotocol/server-memory@2026.8.31"
cargo build --release --quiet --manifest-path "$bench/../Cargo.toml" --package antiphon
exec "$cache/python/bin/python" "$bench/mcp/run.py" --antiphon "$bench/../target/release/antiphon" --node "$(command -v node)" \
    --memory-server "$cache/node/node_modules/@modelcontextprotocol/server-memory/dist/index.js" "$@"
