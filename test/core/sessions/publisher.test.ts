import { beforeEach, describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import type { KeyChange } from '../../../simulations/paperwork.ts';
import { draftOf } from '../../../src/core/controller/draft.ts';
import type { ControllerEffect, ControllerEvent } from '../../../src/core/controller/events.ts';
import {
  type Charter,
  claimedSigners,
  cosignStatement,
  decodeBundle,
  type Outcome,
  sha256Hex,
  signStatement,
} from '../../../src/core/documents/index.ts';
import { Admission } from '../../../src/core/sessions/controller/admission.ts';
import { CheckedBundles } from '../../../src/core/sessions/controller/checked-bundles.ts';
import { CheckpointRounds } from '../../../src/core/sessions/controller/checkpoint-rounds.ts';
import { FeedServer } from '../../../src/core/sessions/controller/feed-server.ts';
import type { BundleStore, ControllerPorts } from '../../../src/core/sessions/controller/ports.ts';
import { Publisher } from '../../../src/core/sessions/controller/publisher.ts';
import type { Tell } from '../../../src/core/sessions/ports.ts';
import { toUtf8 } from '../../../src/core/text.ts';
import { formatCheckpoint, signCheckpoint, witnessCheckpoint } from '../../../src/core/transparency/index.ts';
import { verifyBundle } from '../../../src/core/trust/index.ts';
import { A, B, type Bench, built, deliverAll, other, projectOf } from '../controller/bench.ts';

/** A controller's machine and publisher, and its bundles by name. */
class Desk {
  readonly bench: Bench;
  readonly stored = new Map<string, string>();
  readonly puts: string[] = [];
  readonly told: unknown[] = [];
  /** The disk writes no bundle before it resolves. */
  disk: Promise<void> = Promise.resolve();
  #performed = 0;

  constructor(bench: Bench) {
    this.bench = bench;
  }

  publisher(): Publisher {
    const { paper, controller } = this.bench;
    const bundles: BundleStore = {
      get: async (which) => this.stored.get(which),
      put: async ({ run, job, artifact }, bundle) => {
        await this.disk;
        this.puts.push(run);
        for (const name of [run, job, artifact]) if (name !== null) this.stored.set(name, bundle);
      },
      drop: async (artifact) => void this.stored.delete(artifact),
    };
    const ports = {
      machine: controller,
      bundles,
      project: paper.project,
      signing: { signer: paper.controller },
      retired: paper.controllers.filter(({ id }) => id !== paper.controller.id),
      publish: async () => {},
      announce: async () => {},
      tell: () => {},
      clock: { closing: false },
      checkpointFile: { save: async () => {} },
      dispatch: (event: ControllerEvent) => void this.bench.send(event),
    } as unknown as ControllerPorts;
    const rounds = new CheckpointRounds(ports);
    const feed = new FeedServer(ports, new Admission(ports), new Map(), rounds);
    return new Publisher(ports, new Map(), feed, rounds);
  }

  /** The stored bundles as they are served in this life. */
  serve(storing = async (): Promise<void> => {}): CheckedBundles {
    const tell: Tell = (_level, kind, _says, fields) => void this.told.push({ kind, ...fields });
    return new CheckedBundles(
      { machine: this.bench.controller, tell },
      {
        get: async (which) => this.stored.get(which),
        size: async (which) => this.stored.get(which)?.length,
        drop: async (which) => void this.stored.delete(which),
      },
      (text) => sha256Hex(toUtf8(text)),
      storing,
    );
  }

  /** The next life, with the bundles that there are. */
  async restart(): Promise<void> {
    this.bench.replay(new Set(this.stored.keys()));
    await this.bench.start({ epoch: 2 });
    await this.perform(true);
  }

  /** Stores what there is of a run now, as one that published its draft would have. */
  publish(run: string): Promise<void> {
    return this.publisher().verdict(run);
  }

  /** The process is killed before it carries out what is left. */
  lose(): void {
    this.#performed = this.bench.effects.length;
  }

  /** Carries out what came out since the last call, with the machine as it is now. */
  async perform(restore = false): Promise<void> {
    const { effects } = this.bench;
    const publisher = this.publisher();
    if (restore) await publisher.restore(new Set(this.stored.keys()));
    const due: ControllerEffect[] = effects.slice(this.#performed);
    this.#performed += due.length;
    for (const effect of due) {
      if (effect.kind === 'verdict') await publisher.verdict(effect.run);
      if (effect.kind === 'progress') await publisher.proofLost(effect);
    }
  }

  /** Three operators build the same, the trusted worker `own`; it signs where the controller asks. */
  async play(name: string, own: Outcome, agreed: Outcome = built): Promise<string> {
    const { bench } = this;
    const run = await bench.submit({ name });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await deliverAll(bench, leases, [agreed, agreed, agreed]);
    bench.pinned(run);
    await this.perform();
    await bench.deliver('trusted', trusted, own);
    if (bench.run(run).phase.kind === 'cosigning') await this.cosign(run);
    await this.perform();
    return run;
  }

  async cosign(run: string): Promise<void> {
    const { paper, controller } = this.bench;
    const draft = draftOf(controller.state, run);
    if (draft === undefined) throw new Error('there is a draft');
    const signer = paper.keys.signer('trusted');
    const verdict = await signStatement('verdict', draft.verdict, paper.controller);
    const note = await signCheckpoint(
      formatCheckpoint({ project: paper.project, ...draft.checkpoint }),
      paper.controller,
    );
    this.bench.send({
      kind: 'cosigned',
      verdict: verdict.id,
      run,
      worker: signer.id,
      signature: await cosignStatement(verdict.raw, signer),
      witness: await witnessCheckpoint(note, signer, Math.floor(this.bench.now / 1000)),
    });
  }

  async levelOf(name: string): Promise<string | undefined> {
    const text = this.stored.get(name);
    if (text === undefined) return undefined;
    const { project } = this.bench.paper;
    const result = await verifyBundle(decodeBundle(text), { project }, standIn.verifier);
    return result.ok ? result.level : (result.code ?? '');
  }
}

/** A charter with another key of the project's own. */
function replaced({ paper }: Bench, what: KeyChange): Partial<Charter> {
  paper.replace(what);
  return {};
}

let desk: Desk;
beforeEach(async () => {
  desk = new Desk(await projectOf('ada', 'bob', 'cy'));
});

describe('a new charter and a restart', () => {
  const changes: [string, (bench: Bench) => Partial<Charter>][] = [
    ['the same charter', () => ({ epoch: 1 })],
    ['another trusted worker', (bench) => ({ trusted: [bench.id('trusted2')] })],
    ['a tighter floor', () => ({ floor: { agree: 3, of: 3, cosign: 'required', rounds: 1 } })],
    ['another source server', () => ({ vcs: ['new.example'] })],
    ['another bootstrap node', () => ({ bootstrap: ['/ip4/1.2.3.4/tcp/1'] })],
    ['another key of the controller', (bench) => replaced(bench, 'controller')],
    ['another key of the identity provider', (bench) => replaced(bench, 'idp at once')],
    ['another identity provider', (bench) => ({ idps: [bench.paper.idp.id, bench.id('idp 2')] })],
  ];
  it.each(changes)('leave what is published as it is: %s', async (_what, change) => {
    const run = await desk.play('app', built);
    const before = desk.stored.get(run);
    expect(await desk.levelOf(A)).toBe('trusted');
    const puts = desk.puts.length;
    desk.bench.replay();
    await desk.bench.start({ epoch: 2, ...change(desk.bench) });
    await desk.perform();
    expect(desk.puts).toHaveLength(puts);
    expect(desk.stored.get(run)).toBe(before);
  });

  it.each(changes)('and a bundle that was lost is made again, byte for byte: %s', async (_what, change) => {
    const run = await desk.play('app', built);
    const before = desk.stored.get(run);
    desk.stored.clear();
    desk.bench.replay(new Set());
    await desk.bench.start({ epoch: 2, ...change(desk.bench) });
    await desk.perform(true);
    expect(desk.stored.get(run)).toBe(before);
    expect(desk.stored.get(A)).toBe(before);
  });

  it('a verdict of later is made under the new charter', async () => {
    await desk.play('app', built);
    desk.bench.replay();
    await desk.bench.start({ epoch: 2, vcs: ['git.example'] });
    desk.bench.present('trusted', 'ada', 'bob', 'cy');
    await desk.play('lib', other, other);
    expect(await desk.levelOf(B)).toBe('trusted');
    const { charter } = decodeBundle(desk.stored.get(B) ?? '');
    expect(charter).toBe(desk.bench.controller.state.charter?.raw);
  });
});

describe('a verdict that was not published yet when the controller got another key', () => {
  const rekeyed = async (): Promise<string> => {
    const { bench } = desk;
    const run = await bench.submit({ name: 'app' });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.pinned(run);
    desk.lose();
    bench.paper.replace('controller');
    bench.replay();
    await bench.start({ epoch: 2 });
    return run;
  };

  it('is published under the key that gave it', async () => {
    const run = await rekeyed();
    await desk.perform();
    expect(await desk.levelOf(run)).toBe('agreed');
    const [first] = desk.bench.paper.controllers;
    expect(claimedSigners(decodeBundle(desk.stored.get(run) ?? '').verdict)).toEqual([first?.id]);
  });

  it('waits for that key where it is not at hand: nothing is published under another one', async () => {
    const run = await rekeyed();
    desk.bench.paper.controllers.splice(0, 1);
    await expect(desk.perform()).rejects.toMatchObject({ code: 'CONTROLLER_KEY_MISSING' });
    expect(await desk.levelOf(run)).toBeUndefined();
    expect([...desk.bench.controller.state.unstored]).toEqual([run]);
  });
});

describe('the bundle of a test', () => {
  const play = async (kind: 'test' | undefined, name: string): Promise<string> => {
    const { bench } = desk;
    const over = kind === undefined ? {} : { kind };
    const run = await bench.submit({ name, ...over, policy: { cosign: 'none' } });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.witnessing = false;
    bench.pinned(run);
    await desk.perform();
    return run;
  };

  it('has no name of an artifact, and is served to whoever asks for its reports', async () => {
    const run = await play('test', 'check');
    desk.bench.witness(run, { keys: [] });
    await desk.perform();
    expect(desk.stored.has(A)).toBe(false);
    const text = desk.stored.get(run);
    expect(text).toBeDefined();
    const served = desk.serve();
    expect(await served.get(A)).toBe(text);
    expect(await served.size(A)).toBe(text?.length);
    const verified = await verifyBundle(
      decodeBundle(text ?? ''),
      { project: desk.bench.paper.project, artifact: A },
      standIn.verifier,
    );
    expect(verified.code).toBe('ARTIFACT_OF_TEST');
  });

  it('hides no bundle of a build of the same bytes', async () => {
    const build = await desk.play('app', built);
    const before = desk.stored.get(build);
    const test = await play('test', 'check');
    desk.bench.witness(test, { keys: [] });
    await desk.perform();
    expect(desk.stored.has(test)).toBe(true);
    expect(await desk.serve().get(A)).toBe(before);
  });
});

describe('N colluding operators say that another job made the artifact of a trusted one', () => {
  it('and are contradicted: the bundle of the artifact stays, for theirs never had its name', async () => {
    const first = await desk.play('app', built);
    const before = desk.stored.get(A);
    const theirs = await desk.play('lib', other);
    expect(desk.bench.progress(theirs, 'contradicted')).toHaveLength(1);
    expect(desk.stored.get(A)).toBe(before);
    expect(desk.stored.get(first)).toBe(before);
    expect(await desk.levelOf(A)).toBe('trusted');
  });

  it('or of one that was only agreed on', async () => {
    const { bench } = desk;
    const first = await bench.submit({ name: 'app' });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.pinned(first);
    await desk.perform();
    const before = desk.stored.get(A);
    expect(await desk.levelOf(A)).toBe('agreed');
    await desk.play('lib', other);
    expect(desk.stored.get(A)).toBe(before);
  });

  it('before an honest run agrees on it: that run proves it from then on', async () => {
    const { bench } = desk;
    const theirs = await bench.submit({ name: 'lib' });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(theirs);
    await desk.perform();
    const honest = await bench.submit({ name: 'app' });
    await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [built, built, built]);
    bench.pinned(honest);
    await desk.perform();
    expect(desk.stored.get(A)).toBe(desk.stored.get(theirs));
    await bench.deliver('trusted', trusted, other);
    await desk.perform();
    expect(desk.stored.get(A)).toBe(desk.stored.get(honest));
  });

  it('control: the run whose artifact is contradicted takes its own bundle back', async () => {
    await desk.play('lib', other);
    expect(desk.stored.get(A)).toBeUndefined();
  });
});

describe('bundles and a process that ends at any time', () => {
  const awaitingSignature = async (): Promise<string> => {
    const { bench } = desk;
    const run = await bench.submit({ name: 'app' });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await desk.perform();
    await bench.deliver('trusted', trusted, built);
    expect(bench.run(run).phase.kind).toBe('cosigning');
    return run;
  };

  it('one that is missing while its run waits for the co-signature is not made of the draft', async () => {
    const run = await awaitingSignature();
    desk.stored.clear();
    desk.bench.replay(new Set());
    await desk.bench.start({ epoch: 1 });
    await desk.perform(true);
    expect(await desk.levelOf(run)).toBe('agreed');
    await desk.cosign(run);
    await desk.perform();
    expect(await desk.levelOf(run)).toBe('trusted');
  });

  it('one that is published again while the co-signature is awaited is that of what was agreed', async () => {
    const run = await awaitingSignature();
    await desk.publish(run);
    expect(await desk.levelOf(run)).toBe('agreed');
    await desk.cosign(run);
    await desk.perform();
    expect(await desk.levelOf(run)).toBe('trusted');
  });

  it('one that is asked for while the disk is slow is that of the verdict that was told, not that of before', async () => {
    const run = await awaitingSignature();
    await desk.cosign(run);
    const { promise, resolve } = Promise.withResolvers<void>();
    desk.disk = promise;
    const publisher = desk.publisher();
    const stored = publisher.verdict(run);
    const served = desk.serve(() => publisher.storing());
    const answers = ['run', 'artifact'].map((kind) => served.get(kind === 'run' ? run : A));
    resolve();
    const texts = await Promise.all(answers);
    await stored;
    expect(await desk.levelOf(run)).toBe('trusted');
    expect(texts).toEqual([desk.stored.get(run), desk.stored.get(run)]);
  });

  it('that of an artifact that was contradicted right before a kill goes at the next start', async () => {
    const { bench } = desk;
    const run = await bench.submit({ name: 'app' });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await desk.perform();
    expect(await desk.levelOf(A)).toBe('agreed');
    await bench.deliver('trusted', trusted, other);
    expect(bench.progress(run, 'contradicted')).toHaveLength(1);
    desk.lose();
    bench.replay();
    await bench.start({ epoch: 1 });
    await desk.perform(true);
    expect(await desk.levelOf(A)).toBeUndefined();
  });
});

describe('a stored bundle that is not the one that was stored', () => {
  const damaged = { code: 'BUNDLE_DAMAGED' };
  /** One character of the file, under all of its names. */
  const damage = (text: string) => {
    for (const [name, found] of desk.stored)
      if (found === text) desk.stored.set(name, text.replace('"v":1', '"v":2'));
  };

  it.each(['run', 'job', 'artifact'])(
    'is not served by its %s, and made again at the next start',
    async (kind) => {
      const run = await desk.play('app', built);
      const before = desk.stored.get(run) ?? '';
      const names = { run, job: desk.bench.facts(run).jobId, artifact: A };
      const which = names[kind as keyof typeof names];
      const served = desk.serve();
      expect(await served.get(which)).toBe(before);
      damage(before);
      await expect(served.get(which)).rejects.toMatchObject(damaged);
      await expect(served.get(which)).rejects.toMatchObject(damaged);
      expect(desk.stored.has(which)).toBe(false);
      expect(desk.told).toEqual([{ kind: 'bundle', ...damaged, which, run }]);
      await desk.restart();
      for (const name of Object.values(names)) expect(await desk.serve().get(name)).toBe(before);
    },
  );

  it('or an older one of the same run, put back from a copy', async () => {
    const { bench } = desk;
    const run = await bench.submit({ name: 'app' });
    const leases = await bench.lease('ada', 'bob', 'cy');
    const trusted = (await bench.lease('trusted')).get('trusted');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await desk.perform();
    const older = desk.stored.get(run) ?? '';
    expect(await desk.serve().get(run)).toBe(older);
    await bench.deliver('trusted', trusted, built);
    await desk.cosign(run);
    await desk.perform();
    const before = desk.stored.get(run);
    expect(await desk.levelOf(run)).toBe('trusted');
    for (const name of desk.stored.keys()) desk.stored.set(name, older);
    await desk.restart();
    expect(desk.stored.get(run)).toBe(older);
    await expect(desk.serve().get(A)).rejects.toMatchObject(damaged);
    await desk.restart();
    expect(await desk.serve().get(run)).toBe(before);
    expect(await desk.serve().get(A)).toBe(before);
  });

  it('is not taken for one while a later verdict of its run is being stored', async () => {
    const { bench } = desk;
    const run = await desk.play('app', built, other);
    const before = desk.stored.get(run) ?? '';
    bench.controller.state.unstored.add(run);
    damage(before);
    expect(await desk.serve().get(run)).toBe(desk.stored.get(run));
    bench.controller.state.unstored.delete(run);
    await expect(desk.serve().get(run)).rejects.toMatchObject(damaged);
  });

  it('is served as before where the journal is older than the hashes', async () => {
    const run = await desk.play('app', built);
    damage(desk.stored.get(run) ?? '');
    for (const { event } of desk.bench.journal) if (event.kind === 'stored') delete event.sha256;
    desk.bench.replay();
    expect(await desk.serve().get(run)).toBe(desk.stored.get(run));
    expect(desk.told).toEqual([]);
  });
});
