import { expect, it } from 'vitest';
import { busy } from '../../../simulations/busy.ts';
import { calm } from '../../../simulations/rates.ts';
import type { Operator, Work } from '../../../simulations/scenario.ts';
import { simulate } from '../../../simulations/simulate.ts';
import type { Patches } from '../../../simulations/world.ts';
import { decodeMessage, encodeMessage, feedDownSchema } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';

const operators = (able: number): Operator[] =>
  Array.from({ length: 20 }, (_, n) => ({
    name: `op${n}`,
    hosts: [`op${n}-a`],
    behaviour: 'honest',
    joinsLate: false,
    // Longer than the simulation: it passes on every job.
    ...(n >= able && { allowsAfterMs: 1e9 }),
  }));
const works = Array.from({ length: 4 }, (_, n): Work => {
  const policy = { agree: 1, of: 1, cosign: 'required', rounds: 1 } as const;
  const times = { submitAfterMs: 60_000 + n * 30_000, cancelAfterMs: undefined, expiresSeconds: 3600 };
  return { name: `w${n}`, nature: 'reproducible', policy, ...times };
});

/** A worker that hears nothing of free slots: it is of before they were told, or its controller is. */
const untold = (ports: WorkerPorts): WorkerPorts => ({
  ...ports,
  dial: async (to, protocol, options) => {
    const channel = await ports.dial(to, protocol, options);
    if (protocol !== protocols.feed) return channel;
    return {
      peer: channel.peer,
      closed: false,
      send: (message) => channel.send(message),
      close: () => channel.close(),
      abort: (reason) => channel.abort(reason),
      async receive(how) {
        const bytes = await channel.receive(how);
        if (bytes === undefined) return undefined;
        const message = decodeMessage(bytes, feedDownSchema, 'a feed message');
        return encodeMessage(message.kind === 'backlog' ? { ...message, free: undefined } : message);
      },
    };
  },
});

/** Plays jobs for which a share of twenty operators is asked at first. */
async function play(able: number, patches?: () => Patches) {
  const scenario = { ...busy, operators: operators(able), works, trusted: 'there' } as const;
  const { failure, levels, trace } = await simulate(1, {
    once: true,
    rates: calm,
    scenario,
    ...(patches && { patches }),
  });
  expect(failure).toBeNull();
  const claims = trace.filter((line) => line.includes('controller claim of op')).length;
  return { trusted: levels.filter((level) => level === 'trusted').length, claims };
}

it('a job that few of twenty operators can build reaches them, though most are not asked at first', async () => {
  const { trusted } = await play(2);
  expect(trusted).toBe(works.length);
});

it('a job that those who are asked at first build is claimed by no others', async () => {
  const { claims, trusted } = await play(20);
  expect(trusted).toBe(works.length);
  // Six of twenty are asked, give or take; by the schedule alone all twenty claim each job.
  expect(claims).toBeLessThan((works.length * operators(0).length) / 2);
});

it('a job that few can build reaches them where no worker is told of free slots', async () => {
  const patches = () => ({ workerPorts: untold });
  const { trusted } = await play(2, patches);
  expect(trusted).toBe(works.length);
});
