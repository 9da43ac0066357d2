import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournal } from '../../journal/index.ts';
import { makePrivate } from '../../node/files.ts';
import { machineTime, nodeClock } from '../../node/ports.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { Loop } from '../../protocol/sessions/loop.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import { type HookEffect, HookMachine, type LedgerEvent } from '../machine/hook-ledger.ts';
import type { HookPorts } from '../sessions/hook.ts';

const namePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The journal and the files of one hook, in `hooks/<project>/<name>` of a home folder. One process at a time. */
export type HookFolder = HookPorts['folder'] & { readonly clock: Clock; close(): void };

/** `signal` ends the hook. Errors: `HOOK_USAGE`, `JOURNAL_…`, `HOME_NEWER`. */
export async function openHookFolder(
  home: string,
  project: string,
  name: string,
  signal = new AbortController().signal,
): Promise<HookFolder> {
  if (!namePattern.test(name))
    throw new QuorateError('HOOK_USAGE', `"${name.slice(0, 80)}" is no name of a hook`, {
      hint: 'Give up to 63 lower-case letters, digits and hyphens.',
    });
  const dir = join(home, 'hooks', project, name);
  const work = join(dir, 'work');
  const file = join(dir, 'journal.db');
  const journal = openJournal<LedgerEvent>(file, {
    name: `hook ${name} of ${project}`,
    rules: HookMachine.rules,
  });
  const machine = new HookMachine();
  const time = machineTime();
  const clock = nodeClock(signal, time);
  const commands = new Map<string, () => void>();
  let failure: { error: unknown } | undefined;
  const loop = new Loop<LedgerEvent, HookEffect>({
    ...{ machine, journal, clock, time, tick: undefined },
    // Times of earlier lives are shown to people, and decide nothing.
    acceptClock: true,
    perform: ({ subject }) => commands.get(subject)?.(),
    failed: (error) => {
      failure = { error };
    },
  });
  const clear = () => removeTree(work);
  try {
    loop.replay();
    // Of a process that was killed.
    await clear();
  } catch (error) {
    journal.close();
    throw error;
  }
  return {
    ledger: machine.ledger,
    clock,
    async record(event, execute) {
      if (execute !== undefined) commands.set(event.subject, execute);
      await loop.dispatch(event);
      commands.delete(event.subject);
      if (failure !== undefined) throw failure.error;
    },
    async fresh() {
      await clear();
      await makePrivate(work);
      return work;
    },
    clear,
    close() {
      loop.close();
      journal.close();
    },
  };
}

/** Takes the permission to write from everything in a folder, and from itself. Root may write nevertheless. */
export async function makeReadOnly(path: string): Promise<void> {
  const stats = await lstat(path);
  if (stats.isSymbolicLink()) return;
  if (stats.isDirectory()) for (const name of await readdir(path)) await makeReadOnly(join(path, name));
  await chmod(path, stats.mode & 0o555);
}

/** Removes a folder whose folders may be read-only. */
async function removeTree(path: string): Promise<void> {
  await makeWritable(path);
  await rm(path, { recursive: true, force: true });
}

async function makeWritable(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory() !== true) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await makeWritable(join(path, name));
}
