import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournal } from '../../journal/index.ts';
import { makePrivate } from '../../node/files.ts';
import { openNode } from '../../node/kernel/open-node.ts';
import { machineTime, nodeClock } from '../../node/ports.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import { type HookEffect, HookMachine, type LedgerEvent } from '../machine/hook-ledger.ts';
import type { HookPorts } from '../sessions/hook.ts';

const namePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The journal and the files of one hook, in `hooks/<project>/<name>` of a home folder. One process at a time. */
type HookFolder = HookPorts['folder'] & { readonly clock: Clock; close(): Promise<void> };

/** `signal` ends the hook; its folder stays open until `close`. @throws HOOK_USAGE, `JOURNAL_…`, HOME_NEWER */
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
  const time = machineTime();
  return openNode({ dir, time, signal, onEvent() {}, onFailure() {} }, async (kernel) => {
    const opening = openJournal<LedgerEvent>(join(dir, 'journal.db'), {
      name: `hook ${name} of ${project}`,
      rules: HookMachine.rules,
    });
    const journal = await kernel.use(opening);
    const machine = new HookMachine();
    const commands = new Map<string, () => void>();
    const loop = kernel.openLoop<LedgerEvent, HookEffect>({
      machine,
      journal,
      tick: undefined,
      // Times of earlier lives are shown to people, and decide nothing.
      acceptClock: true,
      perform: ({ subject }) => commands.get(subject)?.(),
    });
    loop.replay();
    const clear = () => removeTree(work);
    // Of a process that was killed.
    await clear();
    return {
      ledger: machine.ledger,
      clock: nodeClock(signal, time),
      async record(event: LedgerEvent, execute?: () => void) {
        if (execute !== undefined) commands.set(event.subject, execute);
        await loop.dispatch(event);
        commands.delete(event.subject);
        kernel.check();
      },
      async fresh() {
        await clear();
        await makePrivate(work);
        return work;
      },
      clear,
    };
  });
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
