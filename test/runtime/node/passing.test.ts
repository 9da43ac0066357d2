import { expect, it } from 'vitest';
import type { ControllerEffect, ControllerEvent } from '../../../src/core/controller/events.ts';
import type { WorkerEffect, WorkerEvent } from '../../../src/core/worker/events.ts';
import { idleAtController, passingAtController, passingAtWorker } from '../../../src/runtime/node/passing.ts';

const controller = (
  kind: ControllerEvent['kind'],
  ...effects: { kind: ControllerEffect['kind'] }[]
): boolean => passingAtController({ kind } as ControllerEvent, effects as ControllerEffect[]);
const worker = (kind: WorkerEvent['kind'], ...effects: { kind: WorkerEffect['kind'] }[]): boolean =>
  passingAtWorker({ kind } as WorkerEvent, effects as WorkerEffect[]);
const reply = (kind: string) => ({ kind: 'reply' as const, reply: { kind } });

it('a controller may forget who was there and who held a lease', () => {
  expect(controller('heartbeat')).toBe(true);
  expect(controller('claim', reply('standby'), { kind: 'progress' }, reply('lease'))).toBe(true);
});

it('a controller never forgets what it promised, logged or published', () => {
  expect(controller('receipt', reply('ack'))).toBe(false);
  expect(controller('submit', reply('accepted'), { kind: 'offer' })).toBe(false);
  expect(controller('enrol', reply('grant'))).toBe(false);
  expect(controller('charter')).toBe(false);
  expect(controller('cosigned', { kind: 'verdict' })).toBe(false);
  // A lease that ran out can end a round and open the next one, which is in the log.
  expect(controller('tick', { kind: 'progress' }, { kind: 'offer' })).toBe(false);
  expect(controller('absent', { kind: 'reveal' })).toBe(false);
});

it('a worker may forget what it has not built yet, and nothing else', () => {
  expect(worker('offer', { kind: 'claim' })).toBe(true);
  expect(worker('leased', { kind: 'build' })).toBe(true);
  expect(worker('built', { kind: 'send-receipt' })).toBe(false);
  expect(worker('acked')).toBe(false);
  expect(worker('cosign-checked', { kind: 'cosign' })).toBe(false);
  expect(worker('revealed', { kind: 'publish' })).toBe(false);
  // It would be published once more.
  expect(worker('published')).toBe(true);
  expect(worker('released', { kind: 'discard' })).toBe(false);
});

it('what a controller refused, or had taken before, leaves its journal; what it took stays', () => {
  const token = 'asker';
  const idle = (kind: ControllerEvent['kind'], ...effects: object[]): boolean =>
    idleAtController({ kind, token } as ControllerEvent, effects as ControllerEffect[]);
  const own = (kind: string) => ({ ...reply(kind), token });
  expect(idle('receipt', own('error'))).toBe(true);
  expect(idle('receipt', own('ack'), { kind: 'reveal' })).toBe(true);
  expect(idle('submit', own('accepted'))).toBe(true);
  expect(idle('renew', own('grant'))).toBe(true);
  expect(idle('receipt', own('ack'), { kind: 'progress' })).toBe(false);
  expect(idle('submit', own('accepted'), { kind: 'progress' }, { kind: 'offer' })).toBe(false);
  expect(idle('enrol', own('grant'))).toBe(false);
  // Of this claim something became, though another one's was refused.
  expect(idle('claim', { ...reply('error'), token: 'other' })).toBe(false);
  expect(idle('claim', own('error'), { kind: 'progress' })).toBe(false);
  expect(idleAtController({ kind: 'tick' }, [])).toBe(false);
});
