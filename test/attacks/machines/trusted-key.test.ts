import { describe, expect, it } from 'vitest';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { accountOf } from '../../../src/protocol/account/index.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import type { Lease, Verified } from '../../../src/protocol/documents/index.ts';
import { aborted, Bench, built, deliverAll, timings } from '../../controller/machine/bench.ts';
import { openBench, type Weakness } from './support.ts';

const { cosignAbsentMsMax, passedOverMs } = controllerLimits;
const mallory = 'mallory';

/** A worker that lost the slot may have it again at once. */
const forgetsWhoLost: Weakness = ({ state }, event) => {
  for (const run of state.runs.values()) run.passedOver = new Map();
  return event;
};

/** Takes one refusal for the last word, and counts no leases of one worker. */
class OfBefore extends Controller {
  override handle(event: ControllerEvent, now: number) {
    return super.handle(event, now, 2);
  }
}

/** A project with two trusted workers, of which the key of one is stolen; a run of it is agreed on. */
async function agreedRun(open: () => Promise<Bench>): Promise<{ bench: Bench; run: string }> {
  const bench = await open();
  const trusted = [bench.id('trusted'), bench.id(mallory)];
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted }) });
  await bench.members('ada', 'bob', 'cy', 'trusted');
  await bench.enrol(mallory, { role: 'trusted-worker', operator: mallory });
  bench.present('trusted', mallory);
  const run = await bench.submit({ seconds: 24 * 3600 });
  await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), []);
  bench.pinned(run);
  expect(bench.result(run).level).toBe('agreed');
  return { bench, run };
}
const on = () => openBench('on');
const ofBefore = async () => {
  const bench = new Bench((id, idp) => new OfBefore(id, idp));
  await bench.start();
  return bench;
};

/** The trusted worker that nobody stole takes the slot if it can, and signs. */
async function honestTurn(bench: Bench, run: string): Promise<void> {
  const lease = (await bench.lease('trusted')).get('trusted');
  if (lease === undefined) return;
  await bench.deliver('trusted', lease);
  bench.cosign(run);
}

/** In which state the run ends at the latest, and what is told of it. */
function atTheEnd(bench: Bench, run: string) {
  bench.drive(Math.max(0, bench.run(run).request.payload.exp * 1000 - bench.now));
  const { state, reason, alarm } = accountOf(summaryOf(bench.controller.state, bench.facts(run)));
  return { state, reason, alarm };
}

type Loses = (bench: Bench, lease: Verified<Lease>) => Promise<unknown> | unknown;
const ways: [how: string, Loses][] = [
  [
    'says that it cannot build',
    (bench, { id }) => {
      const why = { code: 'SANDBOX_FAILED', message: 'no' };
      bench.send({ kind: 'failed', worker: bench.id(mallory), lease: id, ...why });
    },
  ],
  ['says nothing any more', (bench) => bench.drive(timings.leaseSilenceMs)],
  ['says that its build was aborted', (bench, lease) => bench.deliver(mallory, lease, aborted)],
];

describe('the stolen key of one of two trusted workers loses the slot again and again', () => {
  async function attack(open: () => Promise<Bench>, loses: Loses) {
    const { bench, run } = await agreedRun(open);
    for (let n = 0; n < limits.slotLeasesMax; n++) {
      const lease = (await bench.lease(mallory)).get(mallory);
      if (lease !== undefined) await loses(bench, lease);
    }
    await honestTurn(bench, run);
    return atTheEnd(bench, run);
  }

  it.each(ways)('%s: the other one has the slot next, and the run says who failed', async (_how, loses) => {
    const { state, reason, alarm } = await attack(on, loses);
    expect({ state, alarm }).toEqual({ state: 'trusted', alarm: false });
    expect(reason).toMatch(/the trusted worker co-signed; trusted worker \S+ failed: /);
  });
  it.each(ways)('control: %s, and the run is no more than agreed', async (_how, loses) => {
    const { state, reason } = await attack(() => openBench(forgetsWhoLost), loses);
    expect(state).toBe('agreed');
    expect(reason).toMatch(/no trusted worker signed it in time; trusted worker \S+ failed: /);
  });

  /** The other one is there, and busy for hours. */
  async function whileBusy(open: () => Promise<Bench>) {
    const { bench, run } = await agreedRun(open);
    for (let n = 0; n < limits.slotLeasesMax + 1; n++) {
      const lease = (await bench.lease(mallory)).get(mallory);
      if (lease !== undefined) ways[0]?.[1](bench, lease);
      bench.drive(passedOverMs);
    }
    await honestTurn(bench, run);
    return atTheEnd(bench, run).state;
  }
  it('and cannot use up all leases while the other one is busy', async () =>
    expect(await whileBusy(on)).toBe('trusted'));
  it('control: could under the rules before', async () => expect(await whileBusy(ofBefore)).toBe('agreed'));
});

describe('the stolen key of one of two trusted workers refuses to sign', () => {
  async function refuse(open: () => Promise<Bench>, before: (bench: Bench) => void = () => {}) {
    const { bench, run } = await agreedRun(open);
    await bench.deliver(mallory, (await bench.lease(mallory)).get(mallory), built);
    before(bench);
    const code = 'COSIGN_RESULT_MISMATCH';
    const worker = bench.id(mallory);
    bench.send({ kind: 'cosign-refused', run, worker, code, message: 'made up' });
    bench.drive(1);
    return { bench, run };
  }
  const away = (bench: Bench) => void bench.send({ kind: 'absent', worker: bench.id('trusted') });
  const alarming = (state: string) => ({ state, alarm: true });
  const saysWho = /; trusted worker \S+ refused to sign: COSIGN_RESULT_MISMATCH: made up/;

  it('and another one signs: the run is trusted, and an alarm says who refused', async () => {
    const { bench, run } = await refuse(on);
    expect(bench.lastReply(await bench.claim(mallory))).toMatchObject({ code: 'OFFER_CLOSED' });
    expect(bench.controller.state.alarms).toContain(run);
    await bench.restart();
    bench.drive(2 * passedOverMs);
    expect(bench.lastReply(await bench.claim(mallory))).toMatchObject({ code: 'OFFER_CLOSED' });
    await honestTurn(bench, run);
    const { reason, ...end } = atTheEnd(bench, run);
    expect(end).toEqual(alarming('trusted'));
    expect(reason).toMatch(saysWho);
  });
  it('control: under the rules before nothing came of it', async () => {
    const { bench, run } = await refuse(ofBefore);
    await honestTurn(bench, run);
    expect(atTheEnd(bench, run)).toMatchObject(alarming('disputed'));
  });

  it('and another one comes within a minute, also after a start', async () => {
    const { bench, run } = await refuse(on, away);
    bench.drive(cosignAbsentMsMax - 1_000);
    await bench.restart();
    bench.drive(cosignAbsentMsMax - 1_000);
    bench.present('trusted');
    bench.drive(1);
    await honestTurn(bench, run);
    expect(atTheEnd(bench, run)).toMatchObject(alarming('trusted'));
  });
  it('and nobody else comes: it is disputed after a minute', async () => {
    const { bench, run } = await refuse(on, away);
    bench.drive(cosignAbsentMsMax - 2);
    expect(bench.run(run).phase.kind).toBe('cosigning');
    bench.drive(1);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'disputed', ending: 'cosign-refused' });
    expect(atTheEnd(bench, run).reason).toMatch(saysWho);
  });
  it('and the other one never has time: it is disputed when the request ends, and no agreement covers that', async () => {
    const { bench, run } = await refuse(on);
    expect(atTheEnd(bench, run)).toMatchObject(alarming('disputed'));
  });
  it('and so does the other one: it is disputed at once', async () => {
    const { bench, run } = await refuse(on);
    await bench.deliver('trusted', (await bench.lease('trusted')).get('trusted'), built);
    const worker = bench.id('trusted');
    bench.send({ kind: 'cosign-refused', run, worker, code: 'COSIGN_EVIDENCE', message: 'no' });
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'disputed', ending: 'cosign-refused' });
  });
  it('with a code that may pass, again and again: the run says who, and why', async () => {
    const { bench, run } = await agreedRun(on);
    bench.send({ kind: 'absent', worker: bench.id('trusted') });
    await bench.deliver(mallory, (await bench.lease(mallory)).get(mallory), built);
    const worker = bench.id(mallory);
    bench.send({ kind: 'cosign-refused', run, worker, code: 'EVIL', message: 'not now' });
    const { reason } = accountOf(summaryOf(bench.controller.state, bench.facts(run)));
    expect(reason).toMatch(/; trusted worker \S+ did not sign yet: EVIL: not now/);
    expect(atTheEnd(bench, run).reason).toMatch(
      /no trusted worker signed it in time; trusted worker \S+ did not sign yet: EVIL: not now/,
    );
  });
  it('once with such a code, and then signs: nothing more is said of it', async () => {
    const { bench, run } = await agreedRun(on);
    await bench.deliver(mallory, (await bench.lease(mallory)).get(mallory), built);
    const worker = bench.id(mallory);
    bench.send({ kind: 'cosign-refused', run, worker, code: 'MESH_RESET', message: 'not now' });
    bench.cosign(run);
    expect(atTheEnd(bench, run).reason).not.toContain('did not sign');
  });
  it('and is revoked: its refusal counts no more', async () => {
    const { bench, run } = await refuse(on);
    await bench.revoke({ kind: 'key', id: bench.id(mallory) }, { as: 'root' });
    expect(atTheEnd(bench, run)).toMatchObject({ state: 'agreed' });
  });
});
