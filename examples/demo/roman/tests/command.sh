#!/bin/sh
# The installed program, number by number: command.sh PROGRAM
set -eu
program=$1
number=1
while [ "$number" -le 200 ]; do
  numeral=$("$program" "$number")
  [ "$("$program" "$numeral")" = "$number" ] || { echo "$number became $numeral"; exit 1; }
  number=$((number + 1))
done
for wrong in 0 4000 IIII VX ''; do
  if "$program" "$wrong"; then echo "took '$wrong'"; exit 1; fi
done
echo "command: 200 numbers passed"
