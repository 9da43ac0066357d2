import { shellWord } from '../../src/protocol/base/shell-word.ts';
import { terminalFds } from './driver.ts';

/** Size of a terminal window, in characters. */
export interface ShellWindow {
  rows: number;
  columns: number;
}

const { sizes } = terminalFds;

/** Runs in the new terminal: sets its size, follows changes of it, and becomes an interactive shell. */
const inTerminal = ({ rows, columns }: ShellWindow): string => `
stty sane rows ${rows} cols ${columns}
terminal=$(tty)
while read -r rows columns; do stty -F "$terminal" rows "$rows" cols "$columns"; done <&${sizes} >/dev/null 2>&1 &
exec ${sizes}<&-
if command -v bash >/dev/null; then exec bash --norc -i; fi
exec sh -i
`;

/** An interactive shell on a pseudo-terminal inside of the sandbox. It exits 0 however it ends, so that $OUT is returned. */
export const shellStep = (window: ShellWindow): string => `
command -v script >/dev/null || { echo 'quorate: script, which opens the terminal, is not installed in the image (Debian: bsdutils)'; exit 127; }
script -q -f -E always -c ${shellWord(inTerminal(window))} /dev/null || true
`;
