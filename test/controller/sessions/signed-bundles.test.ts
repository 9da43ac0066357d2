import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { capabilities } from '../../../simulations/paperwork.ts';
import { Reader } from '../../../simulations/reader.ts';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { pipelineOf, summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { perhapsSigned } from '../../../src/controller/machine/rounds/trusted-slot.ts';
import { listStates } from '../../../src/controller/machine/run-lists.ts';
import { ControllerSessions } from '../../../src/controller/sessions/controller-sessions.ts';
import type { SharedPorts } from '../../../src/controller/sessions/shared.ts';
import { takeSigned, tellGivenBack } from '../../../src/controller/sessions/signed-bundles.ts';
import { accountOf } from '../../../src/protocol/account/index.ts';
import { addSignature, decodeBundle, encodeBundle } from '../../../src/protocol/documents/index.ts';
import { ownVersion } from '../../../src/protocol/wire/peer-version.ts';
import { Desk } from '../../protocol/sessions/desk.ts';
import { A, Bench, built, projectOf } from '../machine/bench.ts';

/** A run that was trusted, and a controller with the journal and the bundles as they were once it was agreed, or waited for the signature. */
async function restored(to: 'agreed' | 'cosigning') {
  const desk = new Desk(await projectOf('ada', 'bob', 'cy', 'trusted'));
  const { run, trusted } = await desk.agreed('app');
  let { length } = desk.bench.journal;
  const agreed = desk.stored.get(run) ?? '';
  await desk.bench.deliver('trusted', trusted);
  if (to === 'cosigning') ({ length } = desk.bench.journal);
  await desk.cosign(run);
  await desk.perform();
  const copy = new Bench();
  copy.journal.push(...desk.bench.journal.slice(0, length));
  copy.now = desk.bench.now;
  copy.replay(new Set([run]));
  const other = new Desk(copy);
  for (const name of [run, A]) other.stored.set(name, agreed);
  const { log } = desk.bench.controller.state;
  const come = () =>
    copy.send({
      kind: 'present',
      grant: desk.bench.grantOf('trusted'),
      capabilities,
      version: ownVersion('1.0.0'),
    });
  return { desk, run, other, copy, bundle: desk.stored.get(run) ?? '', agreed, log, come };
}

function shared(desk: Desk, told: string[] = []): SharedPorts {
  const ports = desk.ports();
  const signing = { ...ports.signing, documents: new Reader(standIn.verifier) };
  const clock = { now: () => desk.bench.now, closing: false };
  const tell = (_level: string, kind: string) => void told.push(kind);
  return { ...ports, signing, clock, tell } as unknown as SharedPorts;
}

describe('the signature that a restored journal does not have', () => {
  it('is taken from the bundle of its trusted worker, which builds nothing again', async () => {
    const { run, other, copy, bundle, come } = await restored('cosigning');
    const worker = copy.id('trusted');
    await copy.start();
    expect(perhapsSigned(copy.controller.state, worker)).toEqual([]);
    copy.drive(1_000);
    come();
    expect(perhapsSigned(copy.controller.state, worker)).toEqual([run]);
    expect(perhapsSigned(copy.controller.state, copy.id('ada'))).toEqual([]);
    await takeSigned(shared(other), worker, run, bundle);
    await other.perform();
    expect(await other.levelOf(run)).toBe('trusted');
    expect(other.stored.get(run)).toBe(bundle);
    copy.drive(2 * controllerLimits.cosignEndedMs);
    expect(copy.progress(run, 'lost')).toEqual([]);
    expect(perhapsSigned(copy.controller.state, worker)).toEqual([]);
  });

  it('is none of another verdict or key, nor an invalid one', async () => {
    const { desk, run, other, copy, bundle } = await restored('cosigning');
    const worker = copy.id('trusted');
    await copy.start();
    const told: string[] = [];
    const ports = shared(other, told);
    await takeSigned(ports, copy.id('ada'), run, bundle);
    const later = await desk.play('later', built);
    await takeSigned(ports, worker, run, desk.stored.get(later) ?? '');
    const { verdict, ...rest } = decodeBundle(bundle);
    const unsigned = JSON.parse(verdict) as { signatures: { keyid: string }[] };
    const signatures = unsigned.signatures.filter(({ keyid }) => keyid !== worker);
    const forged = addSignature(JSON.stringify({ ...unsigned, signatures }), worker, btoa('x'.repeat(64)));
    await takeSigned(ports, worker, run, encodeBundle({ ...rest, verdict: forged }));
    await takeSigned(ports, worker, run, 'no bundle');
    expect(copy.run(run).phase.kind).toBe('cosigning');
    expect(told).toEqual(['signed', 'signed']);
  });
});

describe('the bundle of a run that a restore lost', () => {
  async function lost() {
    const found = await restored('agreed');
    const { copy, other, log } = found;
    copy.send({
      kind: 'recovered',
      from: copy.controller.state.log.size,
      leaves: log.leaves(copy.controller.state.log.size),
      charters: [],
      revocations: [],
      epoch: 2,
    });
    await copy.start();
    await other.perform();
    return found;
  }

  it('is that of its trusted worker from then on, and is served', async () => {
    const { run, other, copy, bundle, come } = await lost();
    expect(await other.levelOf(run)).toBe('agreed');
    come();
    expect(perhapsSigned(copy.controller.state, copy.id('trusted'))).toEqual([run]);
    await takeSigned(shared(other), copy.id('trusted'), run, bundle);
    for (const name of [run, A]) expect(await other.serve().get(name)).toBe(bundle);
    expect(other.told).toEqual([]);
    // Nor is it written again, or lost at the next start.
    const { length } = other.puts;
    await takeSigned(shared(other), copy.id('trusted'), run, bundle);
    await other.restart();
    expect(other.puts).toHaveLength(length);
    expect(await other.serve().get(run)).toBe(bundle);
  });

  const listed = ({ copy, run }: Awaited<ReturnType<typeof lost>>) => {
    const { state } = copy.controller;
    const found = summaryOf(state, copy.facts(run));
    const filed = listStates.filter((listState) =>
      state.index.list({ listState, name: 'app' }, 5).runs.some(({ id }) => id === run),
    );
    return [accountOf(found).state, found.level, found.artifact, ...filed];
  };
  const sessionsOf = ({ other }: Awaited<ReturnType<typeof lost>>) => {
    const after = (_ms: number, act: () => void) => {
      act();
      return () => {};
    };
    const clock = { closing: false, now: () => 0, monotonic: () => 0, after, onClosing: () => () => {} };
    const { signing, ...ports } = shared(other);
    const documents = new Reader(standIn.verifier);
    return new ControllerSessions({ ...ports, signing: { ...signing, documents }, clock } as never);
  };

  it('is what lists say of the run, also in the next life, until a revocation voids it', async () => {
    const found = await lost();
    const { run, other, copy, bundle } = found;
    expect(listed(found)).toEqual(['lost', 'agreed', A, 'cancelled']);
    await takeSigned(shared(other), copy.id('trusted'), run, bundle);
    expect(listed(found)).toEqual(['trusted', 'trusted', A, 'trusted']);
    expect(pipelineOf(copy.controller.state, copy.facts(run))).toMatchObject([
      { state: 'done', level: 'trusted' },
    ]);
    await other.restart();
    expect(listed(found)).toEqual(['lost', 'agreed', A, 'cancelled']);
    await sessionsOf(found).startWork(new Set(other.stored.keys()));
    await expect.poll(() => listed(found), { interval: 1 }).toEqual(['trusted', 'trusted', A, 'trusted']);
    const before = copy.effects.length;
    await copy.revoke({ kind: 'key', id: copy.id('trusted') }, { since: 0, as: 'root' });
    const sessions = sessionsOf(found);
    for (const effect of copy.effects.slice(before))
      if (effect.kind === 'revocation') sessions.perform(effect);
    await expect.poll(() => listed(found), { interval: 1 }).toEqual(['lost', 'agreed', A, 'cancelled']);
  });

  it('is looked for no more while the controller stops, and may come while it is looked for', async () => {
    const found = await lost();
    const { run, other, copy, bundle } = found;
    const ports = shared(other);
    const get = async () => {
      await takeSigned(ports, copy.id('trusted'), run, bundle);
      return 'the file of before';
    };
    await tellGivenBack({ ...ports, bundles: { ...ports.bundles, get } });
    expect(listed(found)).toEqual(['trusted', 'trusted', A, 'trusted']);
    await other.restart();
    await tellGivenBack({ ...shared(other), clock: { closing: true } } as never);
    expect(listed(found)).toEqual(['lost', 'agreed', A, 'cancelled']);
  });

  it.each(['is verified', 'is stored'])(
    'is not told where a revocation voids it while it %s',
    async (when) => {
      const found = await lost();
      const { run, other, copy, bundle } = found;
      const ports = shared(other);
      const revoke = () => copy.revoke({ kind: 'key', id: copy.id('trusted') }, { since: 0, as: 'root' });
      const { verifier } = ports.signing.documents;
      const raw: typeof verifier.raw = async (...given) => {
        const { revocations } = copy.controller.state;
        if (when === 'is verified' && revocations.length === 0) await revoke();
        return verifier.raw(...given);
      };
      const documents = { verifier: { ...verifier, raw } };
      const put: typeof ports.bundles.put = async (...given) => {
        await ports.bundles.put(...given);
        if (when === 'is stored') await revoke();
      };
      const raced = {
        ...ports,
        signing: { ...ports.signing, documents },
        bundles: { ...ports.bundles, put },
      };
      await takeSigned(raced as unknown as SharedPorts, copy.id('trusted'), run, bundle);
      expect(copy.controller.state.revocations).toHaveLength(1);
      expect(listed(found)).toEqual(['lost', 'agreed', A, 'cancelled']);
    },
  );

  it('says nothing of a run that was not lost', async () => {
    const { desk } = await lost();
    const later = await desk.play('later', built);
    const { state } = desk.bench.controller;
    desk.bench.send({ kind: 'given-back', run: later, bundle: { tree: A } });
    expect(state.presence.givenBack.size).toBe(0);
  });

  it('is none that is less, of another run, or of one that was not lost', async () => {
    const { desk, run, other, copy, bundle, agreed } = await lost();
    const ports = shared(other);
    await takeSigned(ports, copy.id('trusted'), run, agreed);
    const later = await desk.play('later', built);
    await takeSigned(ports, copy.id('trusted'), run, desk.stored.get(later) ?? '');
    await takeSigned(ports, copy.id('trusted'), later, desk.stored.get(later) ?? '');
    expect(other.stored.get(run)).toBe(agreed);
    expect(other.stored.has(later)).toBe(false);
    await takeSigned(ports, copy.id('trusted'), run, bundle);
    expect(await other.levelOf(run)).toBe('trusted');
  });
});
