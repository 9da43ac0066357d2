import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { askControlSocket, serveControlSocket } from '../../node/control-socket.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { viewOf, type WatchView } from '../machine/view.ts';
import type { Watcher } from './watcher.ts';

const requestSchema = z.discriminatedUnion('do', [
  z.object({ do: z.literal('view') }),
  // Strict: an unknown member may restrict the decision.
  z.strictObject({
    do: z.literal('decide'),
    pull: z.int().positive(),
    commit: z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/),
    verdict: z.enum(['approved', 'denied']),
    by: z.string().min(1).max(100),
  }),
]);
export type WatchRequest = z.infer<typeof requestSchema>;

/** Apart from the sockets of workers. */
const folderOf = (home: string): string => join(home, 'watch');
/** The end of a PeerId distinguishes two projects; the whole of it would exceed the length of a path to a socket. */
const socketOf = (home: string, project: string): string =>
  join(folderOf(home), `${project.slice(-12)}.sock`);

/** Serves the user who runs the watcher. Errors: those of `serveControlSocket`. */
export function serveWatchControl(
  home: string,
  project: string,
  watcher: Watcher,
): Promise<() => Promise<void>> {
  const invalid = (message: string) => new QuorateError('CONTROL_REQUEST_INVALID', message);
  return serveControlSocket(socketOf(home, project), invalid, (given) => {
    const request = requestSchema.parse(given);
    if (request.do === 'decide') watcher.decide(request.pull, request.commit, request.verdict, request.by);
    return viewOf(watcher.machine.state);
  });
}

/** Asks the watcher that runs from this home. Errors: `PROCESS_NOT_RUNNING`, `CONTROL_LOST`, and what it answers with. */
export async function askWatcher(
  home: string,
  project: string | undefined,
  request: WatchRequest,
): Promise<WatchView> {
  const answer = await askControlSocket(await socketFor(home, project), request, {
    absent: (path, cause) => notRunning(path, cause),
    lost: (cause) =>
      new QuorateError('CONTROL_LOST', `the watcher did not answer: ${messageOf(cause)}`, {
        hint: 'It may be ending or be busy; ask again.',
        cause,
      }),
  });
  return answer as WatchView;
}

async function socketFor(home: string, project: string | undefined): Promise<string> {
  if (project !== undefined) return socketOf(home, project);
  const names = (await readdir(folderOf(home)).catch(() => [])).filter((name) => name.endsWith('.sock'));
  const [first, second] = names;
  if (first === undefined) throw notRunning(home);
  if (second !== undefined)
    throw new QuorateError('MEMBERSHIP_AMBIGUOUS', `${names.length} watchers run from ${home}`, {
      hint: 'Say which: --project <id>.',
    });
  return join(folderOf(home), first);
}

const notRunning = (where: string, cause?: unknown): QuorateError =>
  new QuorateError('PROCESS_NOT_RUNNING', `no watcher answers at ${where}`, {
    hint: 'Start one: quorate watch. A watcher of another account is asked by that account, with its --home.',
    ...(cause !== undefined && { cause }),
  });
