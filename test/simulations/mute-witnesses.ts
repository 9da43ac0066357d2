import { expect } from 'vitest';
import { calm } from '../../simulations/rates.ts';
import { simulate } from '../../simulations/simulate.ts';
import type { Patches } from '../../simulations/world.ts';
import { decodeMessage, feedUpSchema } from '../../src/protocol/wire/messages.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import type { WorkerPorts } from '../../src/worker/sessions/ports.ts';

const names = ['ada', 'bob', 'cy', 'dan'];

/** The action of a worker where it would send its line: it says nothing, or is cut off. */
type Instead = 'says nothing' | 'leaves';

/** A worker's connections, without its lines while it `isMute`. */
const silenced =
  (dial: WorkerPorts['dial'], instead: Instead, isMute = () => true): WorkerPorts['dial'] =>
  async (peer, protocol, options) => {
    const channel = await dial(peer, protocol, options);
    if (protocol !== protocols.feed) return channel;
    return {
      get peer() {
        return channel.peer;
      },
      get closed() {
        return channel.closed;
      },
      receive: (received) => channel.receive(received),
      close: () => channel.close(),
      abort: (reason) => channel.abort(reason),
      async send(bytes) {
        if (decodeMessage(bytes, feedUpSchema, 'a feed message').kind !== 'witness' || !isMute())
          return channel.send(bytes);
        if (instead === 'leaves') channel.abort(new Error('it leaves'));
      },
    };
  };

/** The first of these workers build as all do, and witness nothing. */
export const mute = (count: number, instead: Instead): Patches => {
  let asked = 0;
  return {
    workerPorts: (ports) => (asked++ < count ? { ...ports, dial: silenced(ports.dial, instead) } : ports),
  };
};

/** A worker that builds witnesses nothing. */
export const buildersMute = (): Patches => ({
  workerPorts: (ports) => {
    let built = false;
    const build: WorkerPorts['build'] = (lease, job, ...more) => {
      built = true;
      return ports.build(lease, job, ...more);
    };
    return { ...ports, build, dial: silenced(ports.dial, 'says nothing', () => built) };
  },
});

/** One job that requires no co-signature, built by four honest workers without a trusted one. */
export async function levelsOf(
  seed: number,
  patches: () => Patches,
  { of = 3, afterMs = 0, grantSeconds = 24 * 3600 } = {},
): Promise<string[]> {
  const operators = names.map((name) => ({
    name,
    hosts: [name],
    behaviour: 'honest' as const,
    joinsLate: false,
  }));
  const work = {
    name: 'job0',
    nature: 'reproducible' as const,
    policy: { agree: 2, of, cosign: 'none' as const, rounds: 1 },
    submitAfterMs: afterMs,
    cancelAfterMs: undefined,
    expiresSeconds: 900,
  };
  const scenario = {
    operators,
    trusted: 'absent' as const,
    works: [work],
    faultsMs: 120_000,
    grantSeconds,
    revokes: undefined,
    charters: [],
  };
  const { failure, levels } = await simulate(seed, { rates: calm, scenario, patches, once: true });
  expect(failure).toBeNull();
  return levels;
}
