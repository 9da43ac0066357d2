import { expect, it } from 'vitest';
import { Scheduler } from '../../../simulations/scheduler.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { GrantRenewal } from '../../../src/worker/sessions/grant-renewal.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { settle } from '../../protocol/sessions/start-desk.ts';

/** A worker whose grant lasts `lifeMs` from each renewal, and a controller that renews while `refusal` is undefined. */
function worker(lifeMs = 3_600_000) {
  const time = new Scheduler(settle);
  const began = time.now;
  let grants = 0;
  const asked: number[] = [];
  const told: string[] = [];
  const events: string[] = [];
  const grant = () => ({ id: `grant ${grants}`, payload: { exp: Math.floor((time.now + lifeMs) / 1000) } });
  const around = {
    refusal: undefined as string | undefined,
    closing: false,
    held: Promise.resolve(),
  };
  const credentials = {
    grant: grant(),
    renewAt: time.now + lifeMs / 2,
    renew: async () => {
      asked.push(time.now - began);
      await around.held;
      if (around.refusal !== undefined) throw reportedError(around.refusal, 'no');
      grants++;
      Object.assign(credentials, { grant: grant(), renewAt: time.now + lifeMs / 2 });
    },
  };
  const renewal = new GrantRenewal({
    credentials,
    clock: {
      now: () => time.now,
      monotonic: () => time.now,
      endOfTurn: queueMicrotask,
      after: (ms: number, act: () => void) => time.after(ms, act),
      onClosing: () => () => {},
      get closing() {
        return around.closing;
      },
    },
    dial: async () => Promise.reject(new Error('no dial')),
    dispatch: async ({ kind }: { kind: string }) => void events.push(kind),
    // A factor of 1.
    signing: { nonce: () => ' ' },
    tell: (level: string, _kind: string, says: string) => void told.push(`${level}: ${says}`),
  } as unknown as WorkerPorts);
  const until = (ms: number) => time.run(began + ms);
  return { time, renewal, credentials, asked, told, events, around, until };
}

it('a grant is renewed at half of its life, again and again', async () => {
  const { renewal, asked, events, until } = worker();
  void renewal.run();
  await until(1_800_000 - 1);
  expect(asked).toEqual([]);
  await until(5_400_000);
  expect(asked).toEqual([1_800_000, 3_600_000, 5_400_000]);
  expect(events).toEqual(['grant', 'grant', 'grant']);
  expect(renewal.trouble).toBeNull();
});

it('the clock is looked at each minute, since a timer stands still while the host sleeps', async () => {
  const { renewal, credentials, asked, until, time } = worker();
  void renewal.run();
  await until(1_000);
  credentials.renewAt = time.now;
  await until(59_999);
  expect(asked).toEqual([]);
  await until(60_000);
  expect(asked).toEqual([60_000]);
});

it('a renewal that fails is tried again after 1 s, and twice as long each time up to a minute', async () => {
  const { renewal, asked, told, around, until } = worker(0);
  around.refusal = 'MESH_RESET';
  void renewal.run();
  await until(250_000);
  expect(asked).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243].map((seconds) => seconds * 1000));
  // It had ended already: told once, and said for as long as it is so.
  expect(told).toEqual([expect.stringContaining('no job can be taken: its grant ended at')]);
  expect(renewal.trouble).toContain('and cannot be renewed: MESH_RESET');
});

it('a grant that is still good is told of once, with its end', async () => {
  const { renewal, told, around, until } = worker();
  around.refusal = 'MESH_RESET';
  void renewal.run();
  await until(1_900_000);
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('could not be renewed; it ends at');
  expect(renewal.trouble).toBeNull();
  around.refusal = undefined;
  await until(1_990_000);
  expect(told.at(-1)).toContain('the grant was renewed, until');
});

it('a grant that was refused is renewed at once, by all that ask together, and not again for 5 s', async () => {
  const { renewal, credentials, asked, around, until } = worker();
  const { promise, resolve } = Promise.withResolvers<void>();
  around.held = promise;
  const refused = credentials.grant as never;
  const both = [renewal.refresh(refused), renewal.refresh(refused)];
  await settle();
  expect(asked).toEqual([0]);
  resolve();
  expect(await Promise.all(both)).toEqual([true, true]);
  // Another one is there by now.
  expect(await renewal.refresh(refused)).toBe(true);
  expect(asked).toEqual([0]);
  const second = credentials.grant as never;
  await until(4_999);
  expect(await renewal.refresh(second)).toBe(false);
  await until(5_000);
  expect(await renewal.refresh(second)).toBe(true);
  expect(asked).toEqual([0, 5_000]);
});

it('a node that shuts down tells and does nothing more', async () => {
  const { renewal, asked, told, events, around, until } = worker();
  const { promise, resolve } = Promise.withResolvers<void>();
  around.held = promise;
  void renewal.run();
  await until(1_800_000);
  around.closing = true;
  resolve();
  await until(4_000_000);
  expect({ asked, told, events }).toEqual({ asked: [1_800_000], told: [], events: [] });
});

it('a grant that ended is a trouble before it was asked for another one', () => {
  const { renewal, around, credentials } = worker(0);
  expect(renewal.trouble).toMatch(/^its grant ended at [^,]*$/);
  around.closing = true;
  credentials.grant.payload.exp += 1;
  expect(renewal.trouble).toBeNull();
});

it('a renewal that is refused for a key that was revoked is tried again after ten minutes', async () => {
  const { renewal, asked, around, until } = worker(0);
  around.refusal = 'KEY_REVOKED';
  void renewal.run();
  await until(1_200_000);
  expect(asked).toEqual([0, 600_000, 1_200_000]);
});

it('a renewal that fails while the node shuts down is not told', async () => {
  const { renewal, told, around, until } = worker(0);
  const { promise, resolve } = Promise.withResolvers<void>();
  around.held = promise;
  around.refusal = 'MESH_RESET';
  void renewal.run();
  await until(0);
  around.closing = true;
  resolve();
  await until(10_000);
  expect(told).toEqual([]);
});
