import { z } from 'zod';
import { ProjectSockets, serveControlSocket } from '../../node/control-socket.ts';
import { viewOf, type WatchView } from '../machine/view.ts';
import type { RunningWatcher } from './run.ts';

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

/** Apart from those of workers. */
const sockets = new ProjectSockets({ folder: 'watch', process: 'watcher', start: 'quorate watch' });

/** Serves the user who runs the watcher. @throws those of `serveControlSocket`. */
export function serveWatchControl(
  home: string,
  project: string,
  { watcher, machine }: Pick<RunningWatcher, 'watcher' | 'machine'>,
): Promise<() => Promise<void>> {
  return serveControlSocket(sockets.path(home, project), async (given) => {
    const request = requestSchema.parse(given);
    if (request.do === 'decide')
      await watcher.decide(request.pull, request.commit, request.verdict, request.by);
    return viewOf(machine.state);
  });
}

/** Asks the watcher that runs from this home. @throws `PROCESS_NOT_RUNNING`, `CONTROL_LOST`, and what it answers with. */
export async function askWatcher(
  home: string,
  project: string | undefined,
  request: WatchRequest,
): Promise<WatchView> {
  return (await sockets.ask(home, project, request)) as WatchView;
}
