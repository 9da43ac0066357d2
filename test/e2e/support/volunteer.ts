import { parseArgs } from 'node:util';
import { openHome } from '../../../src/runtime/membership/home.ts';
import { joinProject } from '../../../src/runtime/membership/join.ts';
import { startWorker, type WorkerOptions } from '../../../src/runtime/worker/node.ts';

const { values } = parseArgs({ options: { home: { type: 'string' }, ticket: { type: 'string' } } });
/** What this program was started with. */
export const { home: homeFolder = '', ticket = '' } = values;

const tell = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Joins and works, telling its events as lines, until SIGTERM. */
export async function volunteer(
  unusual: Pick<WorkerOptions, 'lending'> &
    Partial<Pick<WorkerOptions, 'openMesh' | 'httpFeed' | 'sandboxes'>>,
): Promise<void> {
  const home = openHome(homeFolder);
  const membership = await joinProject({ home, ticket, signal: AbortSignal.timeout(30_000) });
  const node = await startWorker({
    home,
    membership,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    ...unusual,
    onEvent: ({ kind, ...rest }) => tell({ event: kind, ...rest }),
    onFailure: (error) => {
      throw error;
    },
  });
  tell({ event: 'working', id: node.id, addresses: node.addresses() });
  process.once('SIGTERM', () => {
    void node.close().then(() => process.exit(0));
  });
}
