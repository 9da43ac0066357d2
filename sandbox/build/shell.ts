import { quote, terminalFds } from './driver.ts';

export interface ShellWindow {
  rows: number;
  columns: number;
}

const { sizes } = terminalFds;

/** In the new terminal: its size now and later, then the person's shell. */
const inTerminal = ({ rows, columns }: ShellWindow): string => `
stty sane rows ${rows} cols ${columns}
terminal=$(tty)
while read -r rows columns; do stty -F "$terminal" rows "$rows" cols "$columns"; done <&${sizes} >/dev/null 2>&1 &
exec ${sizes}<&-
if command -v bash >/dev/null; then exec bash --norc -i; fi
exec sh -i
`;

/**
 * A step that is a shell for the person at `SandboxJob.terminal`, on a pseudo-terminal that script(1) makes inside. However
 * the shell ends, the step ends well, so that what is in $OUT can be kept.
 */
export const shellStep = (window: ShellWindow): string => `
command -v script >/dev/null || { echo 'quorate: there is no script here, which makes the terminal (Debian: bsdutils)'; exit 127; }
script -q -f -E always -c ${quote(inTerminal(window))} /dev/null || true
`;
