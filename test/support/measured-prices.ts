import { fork } from 'node:child_process';
import { Buckets } from '../../src/mesh/token-buckets.ts';
import { openPriced, type PricedRequest, type PricedSize } from './protocol-prices.ts';

/** A request, as it was measured where it is served. */
export interface MeasuredPrice {
  protocol: string;
  request: string;
  /** Processor time of one: the least of the rounds, since a busy machine adds to it. */
  ms: number;
  /** The longest time that one of a round held the event loop: the least of the rounds, since others use the machine too. */
  holdMs: number;
  /** Turns that a member is charged for it. */
  turns: number;
}

/** Measures each request of a stranger, who asks from another process. Nobody is made to wait meanwhile. */
export async function measurePrices(
  size: PricedSize,
  { count, rounds }: { count: number; rounds: number },
): Promise<{ nothing: MeasuredPrice; prices: MeasuredPrice[] }> {
  const priced = await openPriced(size);
  const { charge } = Buckets.prototype;
  let charged = 0;
  Buckets.prototype.charge = (_key, tokens) => {
    charged += tokens;
    return 0;
  };
  const server = { id: priced.mesh.id, addrs: priced.mesh.addresses() };
  const asker = fork(new URL('protocol-asker.ts', import.meta.url), [JSON.stringify(server)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const ask = ({ protocol, message }: PricedRequest, times: number) =>
    new Promise<void>((resolve, reject) => {
      const gone = () => reject(new Error('the process that asks has ended'));
      asker.once('exit', gone);
      asker.once('message', () => {
        asker.off('exit', gone);
        resolve();
      });
      asker.send({ protocol, message: Buffer.from(message).toString('base64'), times });
    });
  const measured = async (request: PricedRequest): Promise<MeasuredPrice> => {
    // Once without counting: the connection, and code that runs for the first time.
    await ask(request, 2);
    const all: { ms: number; holdMs: number }[] = [];
    charged = 0;
    for (let n = 0; n < rounds; n++) {
      const loop = watchLoop();
      const began = process.cpuUsage();
      await ask(request, count);
      const { user, system } = process.cpuUsage(began);
      all.push({ ms: (user + system) / 1000 / count, holdMs: loop.end() });
    }
    const { protocol, request: what } = request;
    return {
      protocol,
      request: what,
      ms: Math.min(...all.map(({ ms }) => ms)),
      holdMs: Math.min(...all.map(({ holdMs }) => holdMs)),
      turns: charged / rounds / count,
    };
  };
  try {
    const [first] = priced.requests;
    if (first === undefined) throw new Error('there are requests');
    // The smallest one: a stream is opened, and a refusal sent.
    const nothing = await measured({ ...first, request: 'nothing', message: new Uint8Array() });
    const prices: MeasuredPrice[] = [];
    for (const request of priced.requests) prices.push(await measured(request));
    return { nothing, prices };
  } finally {
    Buckets.prototype.charge = charge;
    asker.kill('SIGKILL');
    await priced.close();
  }
}

/** Times each turn of the event loop by the processor time of this process that it took. */
function watchLoop(): { end(): number } {
  let longest = 0;
  let isOver = false;
  let last = process.cpuUsage();
  const next = () => {
    if (isOver) return;
    const { user, system } = process.cpuUsage(last);
    longest = Math.max(longest, (user + system) / 1000);
    last = process.cpuUsage();
    timer = setTimeout(next, 1);
  };
  let timer = setTimeout(next, 1);
  return {
    end() {
      next();
      isOver = true;
      clearTimeout(timer);
      return longest;
    },
  };
}
