import { randomBytes } from 'node:crypto';
import { availableParallelism, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Context } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { aborted } from '../../terminal/run-node.ts';
import type { ControlRequest } from '../node/control.ts';

export interface PageOptions {
  listen?: { host: string; port: number };
  project?: string;
}

/** 256 random bits, base64url. */
const secret = () => randomBytes(32).toString('base64url');

/** Serves the page of the worker that runs on this machine, until Ctrl-C. @throws `CLI_USAGE`, `WORKER_…`, `CONTROL_…`, `HTTP_…`. */
export async function showWorkerPage(
  { home, out, signal }: Context,
  { listen = { host: '127.0.0.1', port: 0 }, project }: PageOptions,
): Promise<Exit> {
  if (!/^(127(\.\d{1,3}){3}|::1)$/.test(listen.host))
    throw new QuorateError('CLI_USAGE', `--listen ${listen.host} is not a loopback address`, {
      hint: 'The page is for this machine: 127.0.0.1:PORT or [::1]:PORT. From elsewhere: ssh -L PORT:127.0.0.1:PORT',
    });
  const { askWorker } = await import('../node/control.ts');
  const { serveLender } = await import('../page/app.ts');
  const ask = (request: ControlRequest) => askWorker(home, project, request);
  await ask({ do: 'status' });
  const { openHome } = await import('../../node/membership/home.ts');
  const memberships = await openHome(home).memberships();
  const [one, other] = memberships.filter(({ project: id }) => project === undefined || id === project);
  const server = await serveLender(listen, {
    secrets: { token: secret(), session: secret(), folder: secret(), csrf: secret() },
    // Of several projects it is not known which one the worker is of.
    project: one === undefined || other !== undefined ? undefined : { name: one.name, pages: one.feed?.[0] },
    host: { cpus: availableParallelism(), memoryBytes: totalmem() },
    ask,
    wait: (ms) => sleep(ms, true, { signal }).catch(() => false),
  });
  try {
    const { url } = server;
    out.value({ event: 'listening', url });
    out.say(
      `The page of the worker: ${out.colours.bold(url)}`,
      out.colours.dim(
        'Whoever has this address can steer the worker. Ctrl-C ends the page; the worker goes on.',
      ),
    );
    await aborted(signal);
  } finally {
    await server.close();
  }
  return exits.done;
}
