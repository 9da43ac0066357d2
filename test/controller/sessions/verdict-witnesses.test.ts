import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { publishedParts } from '../../../src/controller/machine/queries/draft.ts';
import { assembleBundle } from '../../../src/controller/sessions/bundle.ts';
import type { WitnessedCheckpoint } from '../../../src/controller/sessions/checkpoint-round.ts';
import type { ControllerPorts } from '../../../src/controller/sessions/ports.ts';
import { VerdictWitnesses } from '../../../src/controller/sessions/verdict-witnesses.ts';
import {
  decodeBundle,
  formatNoteKey,
  noteKinds,
  parseNoteKey,
  toBase64,
} from '../../../src/protocol/documents/index.ts';
import {
  formatCheckpoint,
  signCheckpoint,
  witnessCheckpoint,
} from '../../../src/protocol/transparency/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { type Bench, built, deliverAll, leasedRound } from '../machine/bench.ts';

/** A run that waits, and who tells its machine of witnesses. */
class Desk {
  readonly bench: Bench;
  readonly run: string;
  readonly dispatched: ControllerEvent[] = [];
  readonly witnesses: VerdictWitnesses;

  constructor(bench: Bench, run: string) {
    this.bench = bench;
    this.run = run;
    this.witnesses = new VerdictWitnesses({
      machine: bench.controller,
      signing: { documents: { verifier: standIn.verifier } },
      dispatch: async (event: ControllerEvent) => {
        this.dispatched.push(event);
        bench.send(event);
      },
    } as unknown as ControllerPorts);
  }

  static async open(...more: string[]): Promise<Desk> {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } }, ...more);
    bench.witnessing = false;
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    bench.send({ kind: 'absent', worker: bench.id('trusted') });
    return new Desk(bench, run);
  }

  /** The checkpoint of now, signed by these workers and these witnesses of others. */
  async checkpoint(names: string[], outside: string[] = []): Promise<WitnessedCheckpoint> {
    const { bench } = this;
    const { project, controller, keys } = bench.paper;
    const { log } = bench.controller.state;
    const [size, root] = [log.size, log.root()];
    const base = await signCheckpoint(formatCheckpoint({ project, size, root }), controller);
    const time = Math.floor(bench.now / 1000);
    const members = await Promise.all(
      names.map(async (name) => ({
        witness: bench.id(name),
        time,
        operator: name,
        isTrusted: name === 'trusted',
        line: await witnessCheckpoint(base, keys.signer(name), time),
        grant: undefined,
      })),
    );
    const lines = await Promise.all(outside.map((name) => this.#outside(name, base, time)));
    const note = [base, ...members.map(({ line }) => line), ...lines].join('');
    return { size, root, base, note, members, outside: lines };
  }

  key(name: string): string {
    return formatNoteKey(name, noteKinds.cosignature, this.bench.id(`witness ${name}`));
  }

  async #outside(name: string, base: string, time: number): Promise<string> {
    const line = await witnessCheckpoint(base, this.bench.paper.keys.signer(`witness ${name}`), time);
    const bytes = Buffer.from(line.trim().split(' ')[2] ?? '', 'base64');
    bytes.set(parseNoteKey(this.key(name)).keyId);
    return `\u2014 ${name} ${toBase64(bytes)}\n`;
  }

  /** The bundle of what is published, and what `verify` says of it. */
  async bundle() {
    const { bench, run } = this;
    const parts = publishedParts(bench.controller.state, run);
    if (parts === undefined) throw new Error('nothing is published');
    const text = await assembleBundle(parts, bench.paper.project, bench.paper.controller);
    const bundle = decodeBundle(text);
    const { project } = bench.paper;
    return { text, bundle, ...(await verifyBundle(bundle, { project }, standIn.verifier)) };
  }
}

describe('witnesses of a verdict', () => {
  it('are told to the machine while their round is open once they are enough, with no line more than it needs', async () => {
    const desk = await Desk.open('dan');
    await desk.witnesses.check(await desk.checkpoint(['ada', 'fay']), false);
    expect(desk.dispatched).toEqual([]);
    expect(desk.witnesses.waiting).toBe(true);
    const checkpoint = await desk.checkpoint(['ada', 'fay', 'cy']);
    await desk.witnesses.check(checkpoint, false);
    expect(desk.dispatched).toHaveLength(1);
    expect(desk.witnesses.waiting).toBe(false);
    const { bundle, level, facts } = await desk.bundle();
    const [ada, , cy] = checkpoint.members;
    expect(bundle.checkpoint).toBe(`${checkpoint.base}${ada?.line}${cy?.line}`);
    expect(bundle.witnesses).toBeUndefined();
    expect([level, facts?.witnesses.operators]).toEqual(['trusted', ['ada', 'cy']]);
  });

  it('are beside the line of a trusted worker, which is waited for while one is present and the round is open', async () => {
    const desk = await Desk.open('dan');
    desk.bench.present('trusted');
    await desk.witnesses.check(await desk.checkpoint(['ada', 'cy']), false);
    expect(desk.dispatched).toEqual([]);
    const checkpoint = await desk.checkpoint(['ada', 'trusted', 'cy']);
    await desk.witnesses.check(checkpoint, false);
    const { bundle, level, facts } = await desk.bundle();
    const [ada, trusted, cy] = checkpoint.members;
    expect(bundle.checkpoint).toBe(`${checkpoint.base}${trusted?.line}${ada?.line}${cy?.line}`);
    expect([level, facts?.witnesses.operators]).toEqual(['trusted', ['ada', 'cy']]);
    // One that says nothing holds up the end of a round, and no more.
    const silent = await Desk.open('dan');
    silent.bench.present('trusted');
    await silent.witnesses.check(await silent.checkpoint(['ada', 'cy']), true);
    expect(await silent.bundle()).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('are beside the lines of all trusted workers that are present: one whose key is stolen does not stand for another', async () => {
    const desk = await Desk.open('dan');
    const { bench } = desk;
    const second = bench.id('second');
    const trusted = [bench.id('trusted'), second];
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted }) });
    await bench.enrol('second', { role: 'trusted-worker' });
    bench.present('trusted', 'second');
    await desk.witnesses.check(await desk.checkpoint(['ada', 'second', 'cy']), false);
    expect(desk.dispatched).toEqual([]);
    await desk.witnesses.check(await desk.checkpoint(['ada', 'second', 'cy', 'trusted']), false);
    const { bundle } = await desk.bundle();
    const { project, controller } = bench.paper;
    const found = { since: 0, reason: 'stolen', byRoot: true };
    const fork = { what: { kind: 'log', id: controller.id, whole: false }, ...found } as const;
    const revocations = [fork, { what: { kind: 'key', id: second }, ...found } as const];
    expect(await verifyBundle(bundle, { project, revocations }, standIn.verifier)).toMatchObject({
      ok: true,
    });
    // Control: with the line of that key alone.
    const alone = { ...bundle, checkpoint: bundle.checkpoint.replace(/\n[^\n]*(?=\n[^\n]*\n[^\n]*\n$)/, '') };
    expect(await verifyBundle(alone, { project, revocations }, standIn.verifier)).toMatchObject({
      code: 'LOG_EQUIVOCATED',
    });
  });

  it('need not have built: the bundle has the grants of those who are there', async () => {
    const desk = await Desk.open('dan', 'eve');
    await desk.witnesses.check(await desk.checkpoint(['dan', 'eve']), false);
    const { bundle, level, facts } = await desk.bundle();
    expect(bundle.witnesses).toEqual(['dan', 'eve'].map((name) => desk.bench.grantOf(name).raw));
    expect([level, facts?.witnesses.operators]).toEqual(['trusted', ['dan', 'eve']]);
  });

  it('that left, or whose grant has ended, do not count where they have no receipt', async () => {
    const desk = await Desk.open('dan', 'eve');
    const { bench } = desk;
    bench.send({ kind: 'absent', worker: bench.id('eve') });
    await desk.witnesses.check(await desk.checkpoint(['dan', 'eve']), true);
    expect(bench.result(desk.run)).toMatchObject({ state: 'witnessing', level: 'agreed' });
    const { payload } = bench.grantOf('dan');
    bench.present('eve');
    bench.now = (payload.exp + 120) * 1000;
    await desk.witnesses.check(await desk.checkpoint(['dan', 'eve']), true);
    expect(bench.result(desk.run)).toMatchObject({ state: 'witnessing', level: 'agreed' });
  });

  it('that are too few at the end of a round are told too, and what is published holds', async () => {
    const desk = await Desk.open();
    await desk.witnesses.check(await desk.checkpoint(['ada']), true);
    expect(desk.bench.progress(desk.run, 'unwitnessed')).toMatchObject([{ operators: ['ada'] }]);
    expect(await desk.bundle()).toMatchObject({ ok: true, level: 'agreed' });
    // The next round: a checkpoint that covers the agreed verdict as well.
    await desk.witnesses.check(await desk.checkpoint(['ada', 'bob']), true);
    expect(await desk.bundle()).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('of a smaller checkpoint, or that are found when the verdict does not wait any more, are not told', async () => {
    const desk = await Desk.open();
    const { bench, run } = desk;
    const checkpoint = await desk.checkpoint(['ada', 'bob']);
    const { phase } = bench.run(run);
    if (phase.kind !== 'witnessing') throw new Error('it waits');
    await desk.witnesses.check({ ...checkpoint, size: phase.draft.size - 1 }, true);
    expect(desk.dispatched).toEqual([]);
    // Another draft, or none, waits by the time the lines were read.
    const looks = desk.witnesses.check(checkpoint, true);
    bench.run(run).phase = { ...phase, draft: { ...phase.draft } };
    await looks;
    expect(desk.dispatched).toEqual([]);
    bench.run(run).phase = phase;
    await desk.witnesses.check({ ...checkpoint, size: phase.draft.size }, true);
    expect(desk.dispatched).toMatchObject([{ kind: 'witnessed', run, root: checkpoint.root }]);
  });

  it('of others count where the charter names them, and only their lines are kept', async () => {
    const desk = await Desk.open();
    const { bench } = desk;
    const witnesses = { need: 1, keys: ['w.example', 'v.example'].map((name) => desk.key(name)) };
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, witnesses }) });
    await desk.witnesses.check(await desk.checkpoint(['ada', 'bob'], ['u.example']), false);
    expect(desk.dispatched).toEqual([]);
    const checkpoint = await desk.checkpoint(['ada', 'bob'], ['u.example', 'v.example']);
    await desk.witnesses.check(checkpoint, false);
    const { bundle, level, facts } = await desk.bundle();
    expect([level, facts?.witnesses]).toEqual([
      'trusted',
      { operators: ['ada', 'bob'], named: ['v.example'] },
    ]);
    expect(bundle.checkpoint.endsWith(checkpoint.outside[1] ?? '')).toBe(true);
    expect(bundle.checkpoint).not.toContain('u.example');
  });

  it('are in a bundle that has the same bytes when it is assembled again after a restart', async () => {
    const desk = await Desk.open('dan');
    await desk.witnesses.check(await desk.checkpoint(['dan', 'bob']), false);
    const { text } = await desk.bundle();
    await desk.bench.enrol('flo');
    await desk.bench.restart();
    expect((await desk.bundle()).text).toBe(text);
  });
});
