import type { Client } from '../../member/client.ts';
import { membershipFor } from '../../member/commands/project-client.ts';
import type { Home } from '../../node/membership/home.ts';
import type { Context } from '../../terminal/context.ts';
import type { HookTold, ShownEntry } from '../machine/hook-ledger.ts';
import type { HookPorts } from '../sessions/hook.ts';

/** Time of a command unless told, and the longest, in seconds. */
const commandSecondsDefault = 3_600;
const commandSecondsMax = 7 * 24 * 3_600;

/** A hook that is ready to follow its project. */
export interface OpenHook {
  ports: HookPorts;
  home: Home;
  client: Client;
}

export interface HookAsked {
  name: string;
  command: readonly string[];
  once?: boolean;
  /** Seconds. */
  timeout?: number;
  project?: string;
}

/** Opens journal and client of a hook, and closes them. Errors: `HOOK_USAGE`, `JOURNAL_…`, `MEMBERSHIP_…`, `CONTROLLER_UNREACHABLE`. */
export async function hookPorts<T>(
  context: Context,
  { name, command, once = false, timeout, project }: HookAsked,
  tell: (told: HookTold) => void,
  use: (hook: OpenHook) => Promise<T>,
): Promise<T> {
  const { cwd, signal, out } = context;
  const [{ openHookFolder }, { runCommand }, { openClient }] = await Promise.all([
    import('../node/hook-folder.ts'),
    import('../node/hook-command.ts'),
    import('../../member/client.ts'),
  ]);
  const seconds = Math.min(timeout ?? commandSecondsDefault, commandSecondsMax);
  const { home, membership } = await membershipFor(context, project);
  const folder = await openHookFolder(home.dir, membership.project, name, signal);
  try {
    const client = await openClient({ home, membership, signal, tell: (says) => out.note(says) });
    try {
      const ports: HookPorts = {
        ...{ project: client.project, folder, clock: folder.clock, once },
        list: () => client.jobs(),
        execute: (env) =>
          runCommand({
            ...{ words: command, cwd, signal, timeoutMs: seconds * 1000 },
            env: { ...context.env, ...env },
            // Standard output is for JSON alone then.
            stdout: out.json ? 2 : 1,
          }),
        tell,
      };
      return await use({ ports, home, client });
    } finally {
      await client.close();
    }
  } finally {
    folder.close();
  }
}

/** Failures in the ledger of a hook that does not run now. Errors: `JOURNAL_IN_USE`, `MEMBERSHIP_…`. */
export async function readLedger(
  context: Context,
  name: string,
  project: string | undefined,
): Promise<ShownEntry[]> {
  const { openHookFolder } = await import('../node/hook-folder.ts');
  const { home, membership } = await membershipFor(context, project);
  const folder = await openHookFolder(home.dir, membership.project, name);
  try {
    return folder.ledger.open;
  } finally {
    folder.close();
  }
}
