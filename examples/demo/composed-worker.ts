import { join } from 'node:path';
import { combineSandboxes, openSandbox, type Sandbox } from '../../sandbox/index.ts';
import { openHome } from '../../src/node/membership/home.ts';
import { joinProject } from '../../src/node/membership/join.ts';
import { lendingFrom } from '../../src/worker/commands/lending.ts';
import { startWorker } from '../../src/worker/node/node.ts';
import { lent } from './cast.ts';

/**
 * The ordinary worker, with another sandbox than its own: the arguments of the process are `<home> <ticket> <listen address>`.
 * Prints its events like `quorate join --json`; ends with SIGINT or SIGTERM.
 */
export async function workWith(change: (sandbox: Sandbox) => Sandbox): Promise<void> {
  const [dir = '', ticket = '', listen = ''] = process.argv.slice(2);
  const print = (line: Record<string, unknown>) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const stop = new AbortController();
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  process.on('SIGINT', () => stop.abort());
  process.on('SIGTERM', () => stop.abort());
  // The parent process has ended.
  process.stdout.on('error', () => process.exit(1));

  const home = openHome(dir);
  const sandbox = await openSandbox(join(dir, 'sandbox'));
  const membership = await joinProject({ home, ticket, signal: stop.signal });
  const worker = await startWorker({
    home,
    membership,
    listen: [listen],
    lending: await lendingFrom(lent, { hours: [] }, [sandbox.tier]),
    sandboxes: combineSandboxes([change(sandbox)]),
    onEvent: ({ kind, says }) => print({ event: kind, says }),
    onFailure: (error) => {
      print({ event: 'failed', says: String(error) });
      process.exit(1);
    },
  });
  print({ event: 'working', id: worker.id });
  await stopped;
  await worker.close();
  process.exit(0);
}
