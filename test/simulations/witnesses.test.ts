import { describe, expect, it } from 'vitest';
import { calm } from '../../simulations/rates.ts';
import { simulate } from '../../simulations/simulate.ts';
import type { Patches } from '../../simulations/world.ts';
import type { WorkerPorts } from '../../src/core/sessions/worker/ports.ts';
import { decodeMessage, feedUpSchema } from '../../src/core/wire/messages.ts';
import { protocols } from '../../src/core/wire/protocols.ts';

const names = ['ada', 'bob', 'cy', 'dan'];

/** What a worker does where it would send its line: says nothing, or is cut off. */
type Instead = 'says nothing' | 'leaves';

/** The first of these workers build as all do, and witness nothing. */
const mute = (count: number, instead: Instead): Patches => {
  let asked = 0;
  const patched =
    (dial: WorkerPorts['dial']): WorkerPorts['dial'] =>
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
          if (decodeMessage(bytes, feedUpSchema, 'a feed message').kind !== 'witness')
            return channel.send(bytes);
          if (instead === 'leaves') channel.abort(new Error('it leaves'));
        },
      };
    };
  return {
    workerPorts: (ports) => (asked++ < count ? { ...ports, dial: patched(ports.dial) } : ports),
  };
};

/** One job that requires no co-signature, built by four honest workers without a trusted one. */
async function levelsOf(seed: number, count: number, instead: Instead): Promise<string[]> {
  const operators = names.map((name) => ({
    name,
    hosts: [name],
    behaviour: 'honest' as const,
    joinsLate: false,
  }));
  const work = {
    name: 'job0',
    nature: 'reproducible' as const,
    policy: { agree: 2, of: 3, cosign: 'none' as const, rounds: 1 },
    submitAfterMs: 0,
    cancelAfterMs: undefined,
    expiresSeconds: 900,
  };
  const scenario = {
    operators,
    trusted: 'absent' as const,
    works: [work],
    faultsMs: 120_000,
    revokes: undefined,
    charterAfterMs: [],
  };
  const { failure, levels } = await simulate(seed, {
    rates: calm,
    scenario,
    patches: () => mute(count, instead),
  });
  expect(failure).toBeNull();
  return levels;
}

describe('a run that requires no co-signature', () => {
  it.each([
    [1, 'says nothing'],
    [2, 'leaves'],
  ] as const)(
    'is trusted while two of its operators are heard as witnesses, seed %i: who is not %s',
    async (seed, instead) => {
      expect((await levelsOf(seed, 2, instead)).at(-1)).toBe('trusted');
    },
  );

  it('is no more than agreed where one is, and every invariant holds', async () => {
    expect(new Set(await levelsOf(2, 3, 'leaves'))).toEqual(new Set(['agreed']));
  });
});
