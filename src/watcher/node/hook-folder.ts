import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openJournal, replayEach } from '../../journal/index.ts';
import { makePrivate } from '../../node/files.ts';
import { QuorateError, unreachable } from '../../protocol/base/errors.ts';
import { Ledger, type LedgerEvent, ledgerEventSchema } from '../machine/hook-ledger.ts';

/** Version of the events in the journal of a hook, and of what comes of them. */
export const hookRules = 3;
const namePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The journal and the files of one hook, in `hooks/<project>/<name>` of a home folder. One process at a time. */
export interface HookFolder {
  readonly ledger: Ledger;
  /** On disk when it returns. Errors: `JOURNAL_UNWRITABLE`. */
  record(event: LedgerEvent, at: number): void;
  /** An empty folder for the files of one command. */
  fresh(): Promise<string>;
  /** Removes it. */
  clear(): Promise<void>;
  close(): void;
}

/** Errors: `HOOK_USAGE`, `JOURNAL_…`. */
export async function openHookFolder(home: string, project: string, name: string): Promise<HookFolder> {
  if (!namePattern.test(name))
    throw new QuorateError('HOOK_USAGE', `"${name.slice(0, 80)}" is no name of a hook`, {
      hint: 'Give up to 63 lower-case letters, digits and hyphens.',
    });
  const dir = join(home, 'hooks', project, name);
  const work = join(dir, 'work');
  const journal = openJournal<LedgerEvent>(join(dir, 'journal.db'), {
    ...{ name: `hook ${name} of ${project}`, rules: hookRules },
  });
  const ledger = new Ledger();
  const clear = () => removeTree(work);
  try {
    replayEach(journal, (event, at) => {
      const { data } = ledgerEventSchema.safeParse(event);
      ledger.apply(data ?? unreachable(event as never, 'event of a hook'), at);
    });
    // Of a process that was killed.
    await clear();
  } catch (error) {
    journal.close();
    throw error;
  }
  return {
    ledger,
    record(event, at) {
      journal.append(event, at);
      journal.sync();
      ledger.apply(event, at);
    },
    async fresh() {
      await clear();
      await makePrivate(work);
      return work;
    },
    clear,
    close: () => journal.close(),
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
