import { describe, expect, it } from 'vitest';
import type { ControllerEffect, ControllerEvent } from '../../../src/core/controller/events.ts';
import { Controller } from '../../../src/core/controller/machine.ts';
import { summaryOf } from '../../../src/core/controller/view.ts';
import type { Handled } from '../../../src/core/durability.ts';
import { limits } from '../../../src/core/limits.ts';
import { A, Bench, built, deliverAll } from '../../core/controller/bench.ts';

const artifact = { kind: 'artifact', id: A } as const;

/** With the guard off: all keys share the room of one. */
class OneRoom extends Controller {
  override handle(event: ControllerEvent, now: number, rules?: number): Handled<ControllerEffect> {
    if (event.kind !== 'revoke' || this.state.revocations.length < limits.revocationsMax)
      return super.handle(event, now, rules);
    const reply = { kind: 'error', code: 'REVOCATIONS_FULL', message: 'no more are taken' } as const;
    return { effects: [{ kind: 'reply', token: event.token, reply }], durability: 'none' };
  }
}

/** With the guard off: whoever is ended goes on revoking. */
class Endless extends Controller {
  override handle(event: ControllerEvent, now: number, rules?: number): Handled<ControllerEffect> {
    this.state.endsKeys = false;
    return super.handle(event, now, event.kind === 'started' ? 1 : rules);
  }
}

async function trustedRun(make: typeof Controller) {
  const bench = new Bench((id, idp) => new make(id, idp));
  await bench.start();
  await bench.members('trusted', 'ada', 'bob', 'cy');
  bench.present('ada', 'bob', 'cy', 'trusted');
  const run = await bench.submit();
  const leases = await bench.lease('ada', 'bob', 'cy');
  const trusted = (await bench.lease('trusted')).get('trusted');
  await deliverAll(bench, leases, [built, built, built]);
  bench.pinned(run);
  await bench.deliver('trusted', trusted);
  bench.cosign(run);
  bench.store(run);
  const stands = () => {
    const found = bench.controller.state.index.get(run);
    if (found === undefined) throw new Error('no such run');
    return summaryOf(bench.controller.state, found).revoked === undefined;
  };
  expect(stands()).toBe(true);
  return { bench, stands };
}

describe('who stole the identity provider’s key', () => {
  it.each([
    ['whoever fills its room keeps none of the root’s out', Controller, false],
    ['control: with one room for all keys the root cannot revoke', OneRoom, true],
  ])('%s', async (_what, make, stays) => {
    const { bench, stands } = await trustedRun(make);
    for (let n = 0; n < limits.revocationsMax; n++)
      await bench.revoke({ kind: 'job', id: A }, { reason: `n ${n}` });
    await bench.revoke(artifact, { since: 0, as: 'root', reason: 'malware' });
    expect(stands()).toBe(stays);
  });

  it.each([
    ['and was ended voids nothing more', Controller, true],
    ['control: goes on revoking where an end does not reach revocations', Endless, false],
  ])('%s', async (_what, make, stays) => {
    const { bench, stands } = await trustedRun(make);
    await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root' });
    await bench.revoke(artifact, { since: 0, reason: 'because I can' });
    expect(stands()).toBe(stays);
  });
});
