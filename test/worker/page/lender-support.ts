import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { askWorker, serveControl } from '../../../src/worker/node/control.ts';
import type { Operator, OperatorOptions } from '../../../src/worker/node/operator.ts';
import { type LenderPorts, lenderApp } from '../../../src/worker/page/app.ts';
import { idleOperator } from '../../support/operator.ts';
import { project } from '../../support/project.ts';

export const origin = 'http://127.0.0.1:4711';
export const secrets = {
  token: 't'.repeat(43),
  session: 's'.repeat(43),
  folder: 'f'.repeat(43),
  csrf: 'c'.repeat(43),
};
export const cookie = `quorate-worker-ffffffff=${secrets.session}`;

/** The operator's control of a worker, behind its socket, and the page that asks through it. No build runs. */
export async function lender(
  over: Partial<OperatorOptions> = {},
  ports: Partial<LenderPorts> = {},
): Promise<{ operator: Operator; app: ReturnType<typeof lenderApp>; told: string[] }> {
  const home = await mkdtemp(join(tmpdir(), 'quorate-lender-'));
  const told: string[] = [];
  const operator = idleOperator({ tell: (_level, _topic, text) => told.push(text), ...over });
  const close = await serveControl(home, project, operator);
  onTestFinished(async () => {
    operator.close();
    await close();
    await rm(home, { recursive: true, force: true });
  });
  const app = lenderApp({
    origin: () => origin,
    secrets,
    host: { cpus: 2, memoryBytes: 2 ** 32 },
    ask: (request) => askWorker(home, project, request),
    wait: async () => false,
    ...ports,
  });
  return { operator, app, told };
}

export const host = { host: '127.0.0.1:4711' };
const page = `/${secrets.folder}/`;

/** As the browser that was let in asks. */
export const get = (
  app: ReturnType<typeof lenderApp>,
  path = '',
  headers: Record<string, string> = {},
  method = 'GET',
) => app.request(`${origin}${page}${path}`, { method, headers: { ...host, cookie, ...headers } });

/** As a form of the page sends. */
export const post = (
  app: ReturnType<typeof lenderApp>,
  path: string,
  fields: Record<string, string> = {},
  headers: Record<string, string> = {},
) =>
  app.request(`${origin}${page}${path}`, {
    method: 'POST',
    headers: { ...host, cookie, origin, 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams({ csrf: secrets.csrf, ...fields }).toString(),
  });
