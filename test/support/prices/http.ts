import { request } from 'node:http';
import { leastPrice, prices } from '../../../src/http/prices.ts';
import type { End } from '../other-process.ts';
import type { Example, Served, Sizes } from './http-server.ts';

/** Figures of one kind of request: times of the server's process, in ms. */
export interface Measured {
  route: string;
  what: string;
  /** Of all threads. */
  cpuMs: number;
  /** The longest turn of the event loop. */
  heldMs: number;
  /** Tokens that were taken from who asked. */
  charged: number;
}

/** How many times a request for nothing a token is worth in processor time, and no request may hold the event loop longer. */
export const worth = 20;

const warm = 3;
/** A request that takes longer, of processor time, is measured a few times only: compilation and garbage collection are little of it. */
const long = { ms: 100, timesMax: 3 };

/** The first is a request for nothing. */
export async function measureHttp(
  end: End,
  dir: string,
  served: Sizes,
  { times, only }: { times: number; only?: (example: Example) => boolean },
): Promise<{ measured: Measured[]; routes: string[] }> {
  const { examples, routes } = await end.ask<Served>('serve', dir, served);
  const measured: Measured[] = [];
  for (const example of examples.filter((one) => only?.(one) ?? true)) {
    const isNothing = example.route === '';
    await end.ask('begin');
    await ask(example);
    const isLong = (await end.ask<{ cpuMs: number }>('end')).cpuMs > long.ms;
    const rounds = isLong ? Math.min(times, long.timesMax) : times;
    for (let n = 1; !isLong && n < (isNothing ? 20 * warm : warm); n++) await ask(example);
    // Of some batches the middle one: garbage collection and compilation are nobody's.
    const batch = isNothing ? 10 : 1;
    const cpu: number[] = [];
    let charged = 0;
    for (let n = 0; n < rounds; n++) {
      await end.ask('begin');
      for (let m = 0; m < batch; m++) await ask(example);
      const took = await end.ask<{ cpuMs: number; charged: number }>('end');
      cpu.push(took.cpuMs / batch);
      charged += took.charged / batch / rounds;
    }
    const held: number[] = [];
    for (let n = 0; n < rounds; n++) {
      await end.ask('watch');
      await ask(example);
      held.push(await end.ask<number>('held'));
    }
    const { route, what } = example;
    measured.push({ route, what, cpuMs: middle(cpu), heldMs: middle(held), charged });
  }
  return { measured, routes };
}

const middle = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** One request, on a connection of its own; resolves once its answer is read, or left. */
function ask({ port, path, method = 'GET', headers = {}, body, leaveMs }: Example): Promise<void> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const options = {
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { ...length, ...headers },
      agent: false,
    };
    const asked = request(options, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      if (statusCode >= 500) reject(new Error(`${method} ${path}: ${statusCode}`));
      response.on('close', () => resolve());
      if (leaveMs === undefined || statusCode !== 200) return;
      const leaves = setTimeout(() => asked.destroy(), leaveMs);
      if (leaveMs > 0) response.on('data', () => leaves.refresh());
    });
    asked.on('error', (error) => (leaveMs === undefined ? reject(error) : resolve()));
    asked.end(body);
  });
}

/** Routes that have no price, or no request that shows what they take. */
export const unpriced = (routes: readonly string[], measured: readonly Pick<Measured, 'route'>[]): string[] =>
  routes.filter((route) => prices[route] === undefined || !measured.some((one) => one.route === route));

/** A Markdown table of requests that take at least a hundred times what one for nothing takes; times as multiples of that. */
export function httpTable([nothing, ...rest]: readonly Measured[]): string {
  if (nothing === undefined) return '';
  const dear = rest.filter(({ cpuMs }) => cpuMs >= 100 * nothing.cpuMs);
  const rows = dear.map(({ route, what, cpuMs, heldMs, charged }) => {
    const of = (ms: number) => (ms / nothing.cpuMs).toFixed(1);
    return `| \`${route}\` | ${what} | ${prices[route] ?? leastPrice} | ${charged.toFixed(1)} | ${of(cpuMs)} | ${of(heldMs)} |`;
  });
  return ['| route | request | price | charged | time | held |', '|---|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}
