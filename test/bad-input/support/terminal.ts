import { type ChildProcess, spawn } from 'node:child_process';
import { endLater } from '../../e2e/support/processes.ts';
import { deadlineMs, until } from '../../e2e/support/wait.ts';

/** Escape sequences a program may send: CSI, and the two of readline that are none. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what terminals are told with
const sequence = /\u001b\[([?\d;]*)([A-Za-z])|\u001b[=>78]/y;

/** The screen of a terminal of that many columns: it wraps what is longer, as real ones do. Rows that scrolled off are kept. */
export function screenOf(text: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  for (let at = 0; at < text.length; ) {
    sequence.lastIndex = at;
    const found = sequence.exec(text);
    if (found !== null) {
      const [whole, digits = '', kind] = found;
      const count = Number(digits) || 1;
      if (kind === 'A') row = Math.max(0, row - count);
      if (kind === 'G') column = count - 1;
      if (kind === 'K' || kind === 'J') rows[row]?.splice(column);
      if (kind === 'J') rows.splice(row + 1);
      at += whole.length;
      continue;
    }
    const char = String.fromCodePoint(text.codePointAt(at) ?? 0);
    at += char.length;
    if (char === '\r') column = 0;
    else if (char === '\n') row++;
    else {
      if (column === columns) {
        row++;
        column = 0;
      }
      const line = rows[row] ?? [];
      rows[row] = line;
      while (line.length < column) line.push(' ');
      line[column++] = char;
    }
    while (rows.length <= row) rows.push([]);
  }
  return rows.map((line) => line.join('').trimEnd());
}

/** A program on a pseudo-terminal of its own, made by script(1). Gone with the file of tests. */
export class Terminal {
  readonly columns: number;
  readonly ended: Promise<number | null>;
  text = '';
  #code: number | null | undefined;
  readonly #child: ChildProcess;

  constructor(
    command: string[],
    options: { columns: number; rows: number; cwd: string; env: NodeJS.ProcessEnv },
  ) {
    const { columns, rows, cwd, env } = options;
    this.columns = columns;
    const words = command.map((word) => `'${word}'`).join(' ');
    const script = `stty cols ${columns} rows ${rows}; exec ${words}`;
    this.#child = spawn('script', ['--quiet', '--flush', '--return', '--command', script, '/dev/null'], {
      cwd,
      env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        this.#code = code;
        resolve(code);
      });
    });
    endLater(() => {
      this.#child.kill('SIGKILL');
      return this.ended;
    });
  }

  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  screen(): string[] {
    return screenOf(this.text, this.columns);
  }

  /** Waits until somewhere on the screen, line ends left out, there is this. */
  shows(text: string | RegExp, ms = deadlineMs): Promise<boolean> {
    return until(
      `${text} on the screen`,
      () => {
        const all = this.screen().join('');
        if (typeof text === 'string' ? all.includes(text) : text.test(all)) return true;
        if (this.#code !== undefined)
          throw new Error(`it ended without ${text}:\n${this.screen().join('\n')}`);
        return false;
      },
      ms,
    );
  }

  async end(ms = deadlineMs): Promise<number | null> {
    await until('its end', () => this.#code !== undefined, ms);
    return this.ended;
  }
}
