import { describe, expect, it } from 'vitest';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { built, deliverAll, leasedRound, projectOf, timings } from './bench.ts';

const limitMs = (seconds: number) => seconds * 1000 + timings.leaseOverheadMs;

describe('a slot that its operator lost', () => {
  it('is not given to that operator again in this round', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    const beat = () => bench.beat([...leases].filter(([key]) => key !== 'ada'));
    beat();
    bench.drive(timings.leaseSilenceMs - 1);
    beat();
    bench.drive(1);
    expect(bench.progress(run, 'lost').map(({ operator }) => operator)).toEqual(['ada']);
    expect(bench.lastReply(await bench.claim('ada'))).toMatchObject({ code: 'CLAIM_SLOT_LOST' });
  });

  it('holds a round for two leases at most, whoever loses it after the other', async () => {
    const bench = await projectOf('mallory', 'mabel', 'max', 'bob', 'cy');
    const run = await bench.submit({ policy: { cosign: 'none', rounds: 1 }, seconds: 24 * 3600 });
    const from = bench.now;
    const leases = await bench.lease('mallory', 'bob', 'cy');
    await bench.deliver('bob', leases.get('bob'), built);
    await bench.deliver('cy', leases.get('cy'), built);
    let held = leases.get('mallory');
    let holder = 'mallory';
    const others = ['mabel', 'max'];
    while (held !== undefined && bench.run(run).phase.kind === 'building') {
      const lost = bench.progress(run, 'lost').length;
      for (let s = 0; s < 24 * 3600 && bench.progress(run, 'lost').length === lost; s += 20) {
        bench.beat([[holder, held]]);
        bench.drive(20_000);
      }
      holder = others.shift() ?? '';
      held = holder === '' ? undefined : (await bench.lease(holder)).get(holder);
    }
    bench.drive(timings.slotFillMs);
    expect(bench.run(run).phase.kind).not.toBe('building');
    const seconds = bench.run(run).job.limits.seconds;
    expect(bench.now - from).toBeLessThan(2 * limitMs(seconds) + 3 * timings.slotFillMs);
  });
});

describe('a worker that can send no receipt', () => {
  const why = { code: 'DOC_INVALID', message: 'the receipt holds control characters' };

  it('makes room at once for another one, and the run says why', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    const lease = leases.get('ada')?.id ?? '';
    const effects = bench.send({ kind: 'failed', worker: bench.id('ada'), lease, ...why });
    expect(effects).toMatchObject([{ kind: 'release', lease }, { kind: 'progress' }, { kind: 'offer' }]);
    expect(bench.progress(run, 'lost')).toMatchObject([
      { operator: 'ada', reason: 'DOC_INVALID: the receipt holds control characters' },
    ]);
    await bench.restart();
    expect(bench.lastReply(await bench.claim('ada'))).toMatchObject({ code: 'CLAIM_SLOT_LOST' });
  });

  it('ends no lease of another worker, and none whose receipt is recorded', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    const lease = leases.get('ada')?.id ?? '';
    expect(bench.send({ kind: 'failed', worker: bench.id('bob'), lease, ...why })).toEqual([]);
    await bench.deliver('ada', leases.get('ada'), built);
    expect(bench.send({ kind: 'failed', worker: bench.id('ada'), lease, ...why })).toEqual([]);
    expect(bench.progress(run, 'lost')).toEqual([]);
  });
});

describe('a trusted worker that is gone before it signs', () => {
  it('leaves what N operators agree on: the run ends as agreed, and not as disputed', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await bench.submit({ seconds: 3600 });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await bench.deliver('trusted', trusted, built);
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    expect(bench.run(run).phase.kind).toBe('cosigning');
    bench.drive(3_700_000);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'agreed' });
  });
});

describe('a draft that the trusted worker cannot check', () => {
  async function shown() {
    const { bench, run, leases, trusted } = await leasedRound({ seconds: 3600 });
    await deliverAll(bench, leases, []);
    bench.pinned(run);
    await bench.deliver('trusted', trusted, built);
    const refuse = (code: string) =>
      bench.send({ kind: 'cosign-refused', run, worker: bench.id('trusted'), code, message: 'because' });
    return { bench, run, refuse };
  }

  const clocks = ['VERDICT_FROM_FUTURE', 'REQUEST_OVER', 'COSIGN_WITNESS_TIME'];
  const passing = ['CONTROLLER_UNREACHABLE', 'MESH_TIMEOUT', 'HOME_UNWRITABLE', 'INTERNAL', ...clocks];
  it.each(passing)('for %s is shown again, later each time, until it is signed', async (code) => {
    const { bench, run, refuse } = await shown();
    const { cosignRetryMs } = controllerLimits;
    for (const wait of [cosignRetryMs, 2 * cosignRetryMs, 4 * cosignRetryMs]) {
      refuse(code);
      expect(bench.run(run).phase.kind).toBe('cosigning');
      const before = bench.all('cosign').length;
      bench.drive(wait - 1);
      expect(bench.all('cosign')).toHaveLength(before);
      bench.drive(1);
      expect(bench.all('cosign')).toHaveLength(before + 1);
    }
    expect(bench.progress(run, 'cosign-delayed')).toHaveLength(1);
    bench.cosign(run);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
  });

  it('is in the journal once, however often that is said', async () => {
    const { bench, run, refuse } = await shown();
    refuse('MESH_TIMEOUT');
    expect(bench.durability).toBe('lazy');
    const written = bench.journal.length;
    for (let n = 0; n < 20; n++) {
      refuse('MESH_TIMEOUT');
      bench.drive(controllerLimits.cosignRetryMs);
    }
    expect(bench.all('cosign').length).toBeGreaterThan(3);
    expect(bench.journal).toHaveLength(written);
    // After a start it is shown once its worker is back.
    const trusted = bench.run(run).trusted;
    if (trusted.kind !== 'delivered' || trusted.live === null) throw new Error('its lease stands');
    const lease = await bench.signed(trusted.live.lease);
    await bench.restart();
    expect(bench.resume('trusted', lease).map(({ kind }) => kind)).toContain('cosign');
    refuse('MESH_TIMEOUT');
    expect(bench.durability).toBe('none');
    expect(bench.progress(run, 'cosign-delayed')).toHaveLength(1);
  });

  it('for its evidence is refused for good', async () => {
    const { bench, run, refuse } = await shown();
    refuse('COSIGN_RESULT_MISMATCH');
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'disputed', ending: 'cosign-refused' });
  });
});
