import { describe, expect, it } from 'vitest';
import { nonceOf } from '../../../simulations/paperwork.ts';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { summaries } from '../../../src/controller/machine/queries/summary.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import {
  addSignature,
  type Claim,
  cosignStatement,
  idOf,
  openStatement,
} from '../../../src/protocol/documents/index.ts';
import { judgeLimits } from '../../../src/protocol/judge/limits.ts';
import { timings } from '../../controller/machine/bench.ts';
import { makeProject, testKey } from '../../support/project.ts';
import { verifyWithout } from '../trust/attack.ts';
import { evil, type Guard, openBench, right, twoOfThree, type Weakness } from './support.ts';

describe('a receipt under a lease that was lost', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob', 'cy', 'dan');
    const run = await bench.submit({ policy: twoOfThree });
    const leases = await bench.lease('mallory', 'bob', 'cy');
    const beat = () => bench.beat([...leases].filter(([key]) => key !== 'mallory'));
    beat();
    bench.drive(timings.leaseSilenceMs - 1);
    beat();
    bench.drive(1);
    expect(bench.progress(run, 'lost').map(({ operator }) => operator)).toEqual(['mallory']);
    const reply = await bench.deliver('mallory', leases.get('mallory'), evil);
    return reply.kind === 'error' ? reply.code : reply.kind;
  }

  it('is stale', async () => expect(await attack('on')).toBe('RECEIPT_STALE_FENCE'));
  it('control: is acknowledged where fences are ignored', async () =>
    expect(await attack({ off: 'fence-ignored' })).toBe('ack'));
});

describe('a second receipt for one lease', () => {
  async function attack(lease: 'the same' | 'of its own') {
    const bench = await openBench('on');
    await bench.members('mallory', 'bob', 'cy');
    await bench.submit({ policy: twoOfThree });
    const leases = await bench.lease('mallory', 'bob', 'cy');
    await bench.deliver('mallory', leases.get('mallory'), right);
    const [key, other] =
      lease === 'the same'
        ? (['mallory', leases.get('mallory')] as const)
        : (['bob', leases.get('bob')] as const);
    const reply = await bench.deliver(key, other, evil);
    return reply.kind === 'error' ? reply.code : reply.kind;
  }

  it('is refused', async () => expect(await attack('the same')).toBe('RECEIPT_SECOND'));
  it('control: is taken under a lease of its own', async () =>
    expect(await attack('of its own')).toBe('ack'));
});

describe('a receipt that an accomplice signed too', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob', 'cy');
    await bench.submit({ policy: twoOfThree });
    const lease = (await bench.lease('mallory', 'bob', 'cy')).get('mallory');
    if (lease === undefined) throw new Error('mallory has a lease');
    const { keys } = bench.paper;
    const alone = await bench.paper.receipt('mallory', lease, bench.jobOf(lease), right);
    const accomplice = keys.signer('bob');
    const both = addSignature(alone.raw, accomplice.id, await cosignStatement(alone.raw, accomplice));
    const receipt = await openStatement('receipt', both, keys.verifier);
    bench.send({ kind: 'receipt', token: 't', lease: lease.id, receipt });
    const reply = bench.lastReply('t');
    return reply.kind === 'error' ? reply.code : reply.kind;
  }
  /** Looks at the first signature only. */
  const oneOfThem: Weakness = (_, event) =>
    event.kind === 'receipt'
      ? { ...event, receipt: { ...event.receipt, signers: event.receipt.signers.slice(0, 1) } }
      : event;

  it('is refused by the controller', async () => expect(await attack('on')).toBe('RECEIPT_SIGNER_MISMATCH'));
  it('control: is taken where one signature is looked at', async () =>
    expect(await attack(oneOfThem)).toBe('ack'));
  it('a bundle that lists one is refused by everybody, so the job would never get its verdict', async () => {
    const { bundle } = await makeProject();
    const [first, ...others] = bundle.receipts;
    if (first === undefined) throw new Error('a bundle has receipts');
    const { id, signer } = testKey('accomplice');
    const envelope = addSignature(first.envelope, id, await cosignStatement(first.envelope, signer));
    const verified = await verifyWithout([], { ...bundle, receipts: [{ ...first, envelope }, ...others] });
    expect(verified).toMatchObject({ ok: false, code: 'RECEIPT_SIGNER_MISMATCH' });
  });
});

describe('a claim with the grant of another operator', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob');
    await bench.submit({ policy: twoOfThree });
    const reply = bench.lastReply(await bench.claim('mallory', { grant: 'bob' }));
    return reply.kind === 'error' ? reply.code : reply.kind;
  }
  /** The presenter of a grant is taken for its subject. */
  const anyBearer: Weakness = ({ state }, event) => {
    if (event.kind !== 'claim') return event;
    const { claim, grant } = event;
    const granted = state.keys.get(grant.payload.sub);
    if (granted !== undefined) state.keys.set(claim.signer, granted);
    return { ...event, grant: { ...grant, payload: { ...grant.payload, sub: claim.signer } } };
  };

  it('is refused', async () => expect(await attack('on')).toBe('GRANT_KEY_MISMATCH'));
  it('control: stands by where a grant is good for whoever shows it', async () =>
    expect(await attack(anyBearer)).toBe('standby'));
});

describe('a claim made for another controller, or long ago', () => {
  async function attack(over: Partial<Pick<Claim, 'aud' | 'exp'>>, guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob');
    await bench.submit({ policy: twoOfThree });
    const reply = bench.lastReply(await bench.claim('mallory', over));
    return reply.kind === 'error' ? reply.code : reply.kind;
  }
  const forMe: Weakness = ({ state }, event) => claiming(event, { aud: state.id });
  const forEver: Weakness = (_, event) => claiming(event, { exp: Number.MAX_SAFE_INTEGER });
  const claiming = (event: ControllerEvent, over: Partial<Claim>): ControllerEvent =>
    event.kind === 'claim'
      ? { ...event, claim: { ...event.claim, payload: { ...event.claim.payload, ...over } } }
      : event;

  it('is refused for its audience', async () => {
    const aud = testKey('elsewhere').id;
    expect(await attack({ aud }, 'on')).toBe('CLAIM_AUDIENCE_MISMATCH');
    expect(await attack({ aud }, forMe)).toBe('standby');
  });
  it('is refused for its time', async () => {
    expect(await attack({ exp: 1 }, 'on')).toBe('DOC_EXPIRED');
    expect(await attack({ exp: 1 }, forEver)).toBe('standby');
  });
});

describe('a grant no identity provider of the project issued', () => {
  async function attack(guard: Guard) {
    const bench = await openBench(guard);
    await bench.members('mallory', 'bob');
    await bench.submit({ policy: twoOfThree });
    const claim = await bench.paper.claim('mallory', idOf(bench.offer), bench.now);
    const grant = bench.grantOf('mallory');
    const signer = bench.id('mallory');
    bench.send({
      kind: 'claim',
      token: 't',
      claim,
      grant: { ...grant, signer, payload: { ...grant.payload, iss: signer } },
    });
    const reply = bench.lastReply('t');
    return reply.kind === 'error' ? reply.code : reply.kind;
  }
  /** Any issuer of grants is an identity provider. */
  const anyIssuer: Weakness = ({ state }, event) => {
    const { charter } = state;
    if (charter === null || event.kind !== 'claim') return event;
    state.charter = { ...charter, payload: { ...charter.payload, idps: [event.grant.signer] } };
    return event;
  };

  it('gets nothing', async () => expect(await attack('on')).toBe('GRANT_ISSUER_MISMATCH'));
  it('control: stands by where anybody may issue them', async () =>
    expect(await attack(anyIssuer)).toBe('standby'));
});

describe('a flood of jobs', () => {
  /** As many jobs, of as many publishers as it takes or of one; then one more of somebody. */
  async function attack(jobs: number, last: string, one?: string) {
    const bench = await openBench('on');
    await bench.members('bob');
    for (const as of ['ann', 'art', 'amy']) await bench.enrol(as, { role: 'publisher' });
    for (let n = 0; n < jobs; n++)
      await bench.submit({ as: one ?? (n % 2 === 0 ? 'ann' : 'art'), name: `job-${n}`, policy: twoOfThree });
    return bench.submit({ as: last, name: nonceOf('one more'), policy: twoOfThree }).then(
      () => 'accepted',
      (error: Error) => /[A-Z]+_[A-Z_]+/.exec(error.message)?.[0],
    );
  }

  const { openRequestsMax } = limits;
  const { openRequestsPerPublisherMax } = controllerLimits;
  it('is held off at a bound', async () =>
    expect(await attack(openRequestsMax, 'amy')).toBe('CONTROLLER_BUSY'));
  it('control: one less is taken', async () =>
    expect(await attack(openRequestsMax - 1, 'amy')).toBe('accepted'));
  it('of one publisher is held off before it keeps others from publishing', async () => {
    expect(await attack(openRequestsPerPublisherMax, 'ann', 'ann')).toBe('CONTROLLER_BUSY');
    // The control: of another it is taken.
    expect(await attack(openRequestsPerPublisherMax, 'amy', 'ann')).toBe('accepted');
  });

  /** Lists of 10: one run of amy, then jobs of ann without end, each of which she cancels. */
  async function listed(ofOneMax?: number) {
    const bench = await openBench('on');
    for (const as of ['ann', 'amy']) await bench.enrol(as, { role: 'publisher' });
    const run = await bench.submit({ as: 'amy', policy: twoOfThree });
    for (let n = 0; n < 30; n++) {
      const which = await bench.submit({ as: 'ann', name: `job-${n}`, policy: twoOfThree });
      bench.send({ kind: 'cancel', token: 'c', which, by: bench.id('ann'), reason: 'again' });
    }
    const found = summaries(bench.controller.state, 10, { ofOneMax });
    expect(found).toHaveLength(10);
    return found.map((one) => one.run).includes(run);
  }
  it('of one publisher hides nobody else’s run from hooks and alarms, which list the newest', async () =>
    expect(await listed()).toBe(true));
  it('control: it does where one publisher may have the whole list', async () =>
    expect(await listed(10)).toBe(false));
});

describe('a request that never ends', () => {
  async function attack(seconds: number) {
    const bench = await openBench('on');
    return bench.submit({ seconds }).then(
      () => 'accepted',
      (error: Error) => /[A-Z]+_[A-Z_]+/.exec(error.message)?.[0],
    );
  }
  it('is refused', async () =>
    expect(await attack(judgeLimits.requestSecondsMax + 1)).toBe('REQUEST_TOO_LONG'));
  it('control: one that does is taken', async () =>
    expect(await attack(judgeLimits.requestSecondsMax)).toBe('accepted'));
});
