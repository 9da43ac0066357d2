import { expect } from 'vitest';
import type { Proc } from '../../e2e/support/processes.ts';
import type { Person } from './person.ts';

/** Output of a command that Ctrl-C stopped before it had done anything that lasts. */
export const stopped =
  'error[CLI_INTERRUPTED]: stopped before it was done\nhint: No partial result is left: run it again.\n';

/** Ctrl-C, and how it ended, but for word that it waits; nothing may be left in the folder for temporary files. */
export async function ctrlC(person: Person, proc: Proc): Promise<{ code: number | null; err: string }> {
  proc.signal('SIGINT');
  const { code } = await proc.end();
  expect(await person.litter()).toEqual([]);
  return { code, err: proc.stderr.replace(/^waiting: .*\n/gm, '') };
}

export const saying = (proc: Proc, text: string) => proc.told(`"${text}"`, () => proc.text.includes(text));
