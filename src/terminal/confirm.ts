import { createInterface } from 'node:readline/promises';
import type { Context } from './context.ts';

/** Asks a question at the terminal; no is the answer of whoever only presses Enter. */
export async function confirmed({ signal }: Pick<Context, 'signal'>, question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    terminal.close();
  }
}
