#!/bin/sh
# `bootstrap …` starts the bootstrap node, anything else is a command of quorate with /data as its home folder.
set -eu
for node in /opt/quorate/node_modules/node-linux-*/bin/node; do [ -x "$node" ] && break; done
package=/opt/quorate/node_modules/quorate
if [ "${1:-}" = bootstrap ]; then
  shift
  exec "$node" "$package/dist/program/bootstrap.js" "$@"
fi
exec "$node" "$package/bin/quorate.js" --home /data "$@"
