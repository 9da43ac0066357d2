import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { Keys } from '../../../../simulations/keys.ts';
import { exited, treeCid } from '../../../../simulations/paperwork.ts';
import { limits } from '../../../../src/protocol/base/limits.ts';
import { type Job, moreOfPush, type Outcome, type Policy } from '../../../../src/protocol/documents/index.ts';
import type { Store } from '../../../../src/store/index.ts';
import { realKeys } from '../../../simulations/real-keys.ts';
import { Bench, timings } from '../../machine/bench.ts';
import { cosign } from '../../machine/evidence.ts';
import { lease } from '../../machine/pipelines.ts';
import { failingLog, passingLog, testLog } from './texts.ts';

/** Operators in the stories. */
export const lenders = ['alice', 'bob', 'carol'] as const;
export const six = [...lenders, 'dave', 'erin', 'frank'] as const;

type Submitted = NonNullable<Parameters<Bench['submit']>[0]>;

/** A commit that is pushed. */
export interface Push {
  branch?: string;
  subject?: string;
  author?: string;
}

interface Published extends Omit<Submitted, 'needs' | 'ref' | 'as'> {
  push?: Push;
  /** By input; `gate`: it is waited for, and nothing of it is read. */
  needs?: Record<string, [run: string, level?: 'agreed' | 'trusted', gate?: true]>;
}

/** Outcome of a build, the seconds that it takes, and its log. */
interface Build {
  as: Outcome;
  after?: number;
  log?: string;
  files?: { path: string; sha256: string }[];
  limit?: { name: string; max: number };
}

export type Files = Record<string, string>;

const image = treeCid('node 24 on debian 13');

/**
 * A project of a bench, told as it goes: who publishes, who builds what, and how much time passes. Whatever a page shows of it is what the
 * controller's machine made of these events.
 */
export class Story {
  readonly bench: Bench;
  /** Text of each log, by lease. */
  readonly logs = new Map<string, string>();
  readonly #store: Store;
  /** Of each tree, as receipts list them. */
  readonly #files = new Map<string, { path: string; sha256: string }[]>();
  #published = 0;

  private constructor(store: Store, keys: Keys) {
    this.#store = store;
    this.bench = new Bench(undefined, keys);
  }

  /** With dora, who publishes, the owner's trusted worker and these operators, all of whose workers are connected. */
  static async of(
    store: Store,
    operators: readonly string[] = lenders,
    { keys = realKeys, charter = {} }: { keys?: Keys; charter?: Parameters<Bench['start']>[0] } = {},
  ): Promise<Story> {
    const story = new Story(store, keys);
    const { bench } = story;
    await bench.start({ name: 'lantern', ...charter });
    await bench.enrol('trusted', { operator: 'owner' });
    await bench.enrol('publisher', { operator: 'dora', role: 'publisher' });
    await bench.members(...operators);
    bench.present('trusted', ...operators);
    return story;
  }

  /** The owner has a second trusted worker. */
  async secondTrusted(): Promise<void> {
    const trusted = [this.bench.id('trusted'), this.bench.id('second')];
    this.bench.send({ kind: 'charter', charter: await this.bench.paper.charter({ epoch: 2, trusted }) });
    const over = { operator: 'owner', role: 'trusted-worker', key: this.bench.id('second') } as const;
    await this.bench.enrol('second', { ...over, invite: 'an-invite-of-the-second-one' });
    this.bench.present('second');
  }

  /** The trusted worker, or an operator, goes away. */
  leaves(key: string): void {
    this.bench.send({ kind: 'absent', worker: this.bench.id(key) });
  }

  /** A tree in the store that these operators, or all, put out. */
  async tree(files: Files): Promise<Outcome & { artifact: string }> {
    const archive = pack();
    for (const [name, text] of Object.entries(files))
      archive.entry({ name, mode: name.startsWith('bin/') ? 0o755 : 0o644 }, text);
    archive.finalize();
    const { root } = await this.#store.importTar(Readable.from(archive), { into: this.#store.public });
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
    const listed = Object.entries(files).map(([path, text]) => ({ path, sha256: sha256(text) }));
    this.#files.set(
      root,
      listed.sort((a, b) => (a.path < b.path ? -1 : 1)),
    );
    return { ...exited(root), artifact: root } as Outcome & { artifact: string };
  }

  /** A job of a commit; its run comes back. */
  publish(name: string, { push = {}, needs, job, policy, ...over }: Published = {}): Promise<string> {
    const { branch = 'main', subject = 'Speed up the index', author = 'Dora Dune' } = push;
    const commit = createHash('sha1').update(`${branch} ${subject} ${author}`).digest('hex');
    const of = Object.entries(needs ?? {}).map(([input, [request, level = 'agreed', gate]]) => [
      input,
      { request, level, ...(gate && { gate }) },
    ]);
    return this.bench.submit({
      name,
      ref: `refs/heads/${branch}`,
      job: {
        source: { url: 'https://git.example/dora/lantern.git', commit, tree: treeCid(commit) },
        image,
        run: usual,
        ...job,
      },
      policy: { agree: 2, of: 3, cosign: 'required', rounds: 1, ...policy },
      ...(needs !== undefined && { needs: Object.fromEntries(of) }),
      more: moreOfPush({ push: commit, subject, author }),
      jti: `scene-${String(++this.#published).padStart(4, '0')}-of-a-story-told`,
      ...over,
    });
  }

  /** They take a slot of the last round of a run, or the trusted worker its own. */
  async lease(run: string, ...keys: string[]) {
    return new Map(await lease(this.bench, run, ...keys));
  }

  /** Builds of a round and of the trusted worker, from the lease to the receipt, in the order of their time. */
  async build(run: string, by: Record<string, Outcome | Build>): Promise<void> {
    const leases = await this.lease(run, ...Object.keys(by));
    await this.deliver(leases, by);
  }

  async deliver(
    leases: Awaited<ReturnType<Story['lease']>>,
    by: Record<string, Outcome | Build>,
  ): Promise<void> {
    const builds = Object.entries(by).map(([key, build], n) => ({
      key,
      after: 9 + 2 * n,
      ...('as' in build ? build : { as: build }),
    }));
    let at = 0;
    for (const { key, as, after, log, ...over } of builds.sort((a, b) => a.after - b.after)) {
      this.pass(after - at, leases);
      at = after;
      const held = leases.get(key);
      if (held === undefined) throw new Error(`${key} has no lease`);
      this.logs.set(held.id, log ?? logOf(this.bench.jobOf(held), as));
      const files = (as.kind === 'exit' && this.#files.get(as.artifact ?? '')) || [];
      await this.bench.deliver(key, held, as, { files, ...over });
    }
  }

  /** All lenders build all of these runs at the same time, and one run after the other ends. `comesTo`: their outcomes, by the run's place. */
  async together(runs: readonly string[], comesTo: (n: number) => readonly Outcome[]): Promise<void> {
    const leases = [];
    for (const run of runs) leases.push(await this.lease(run, ...lenders));
    this.pass(4);
    for (const [n, run] of runs.entries()) {
      const outcomes = comesTo(n);
      const by = lenders.map((key, at) => [key, { as: outcomes[at] ?? outcomes[0], after: (at + 1) / 10 }]);
      await this.deliver(leases[n] ?? new Map(), Object.fromEntries(by));
      if (this.bench.facts(run).phase.kind === 'pinning') this.bench.pinned(run);
    }
  }

  /** Time passes, and whoever builds is heard. */
  pass(seconds: number, leases: ReadonlyMap<string, { id: string }> = new Map()): void {
    const every = timings.leaseSilenceMs / 2000;
    for (let left = seconds; left > 0; left -= every) {
      this.bench.drive(1000 * Math.min(every, left));
      for (const [key, { id }] of leases)
        this.bench.send({ kind: 'heartbeat', worker: this.bench.id(key), lease: id });
    }
  }

  /** The controller has fetched the agreed bytes. */
  fetched(run: string): void {
    this.pass(1);
    if (this.bench.facts(run).phase.kind === 'pinning') this.bench.pinned(run);
  }

  /** The trusted worker signs what it is shown. */
  async signed(run: string, by = 'trusted'): Promise<void> {
    this.pass(1);
    await cosign(this.bench, run, by);
  }

  /** From the first lease to the signature; a test is signed by nobody. */
  async trusted(run: string, as: Outcome, keys: readonly string[] = lenders): Promise<void> {
    const all = this.bench.facts(run).request.payload.policy.cosign === 'none' ? keys : [...keys, 'trusted'];
    await this.build(run, Object.fromEntries(all.map((key) => [key, as])));
    this.fetched(run);
    if (this.bench.facts(run).phase.kind === 'cosigning') await this.signed(run);
  }

  /** Its controller is restored from a copy of the journal with so many events, and takes the log that its members have. */
  async restored(events: number): Promise<Story> {
    const { bench } = this;
    const story = new Story(this.#store, bench.paper.keys);
    const copy = story.bench;
    copy.journal.push(...bench.journal.slice(0, events));
    copy.now = bench.now;
    copy.replay();
    const { log, revocations } = bench.controller.state;
    const from = copy.controller.state.log.size;
    copy.send({
      kind: 'recovered',
      from,
      leaves: log.leaves(from, log.size),
      charters: [],
      revocations: [...revocations],
      epoch: 0,
    });
    await copy.start();
    return story;
  }

  cancel(run: string, reason: string): void {
    this.bench.send({
      kind: 'cancel',
      token: `cancel ${run}`,
      which: run,
      by: this.bench.id('publisher'),
      reason,
    });
  }

  passes(key: string, run: string, reason: string): void {
    const offer = this.bench.run(run).rounds.at(-1)?.offerId ?? '';
    this.bench.send({ kind: 'passed', worker: this.bench.id(key), offer, reason });
  }
}

export const cosignNone: Partial<Policy> = { cosign: 'none' };
export const lantern: Files = {
  'bin/lantern': '#!/bin/sh\necho a light\n',
  'share/README': 'Light it first.\n',
};
export const wick: Files = { 'lib/wick.js': 'export const wick = 1;\n' };
export const tooManyFiles: Build = {
  as: { kind: 'aborted', reason: 'outputs', detail: 'STORE_TOO_MANY_ENTRIES: 2000 files' },
  limit: { name: 'files', max: limits.outputFilesDefault },
};

/** A job that was trusted an hour ago is asked for again. */
export async function builtBefore(story: Story): Promise<string> {
  const first = await story.publish('build', { seconds: 300 });
  await story.trusted(first, await story.tree(lantern));
  story.bench.store(first);
  story.pass(600);
  return story.publish('build');
}

/** The steps of the stories' jobs. */
const usual = [
  { name: 'Install', run: 'npm ci --offline' },
  { name: 'Compile', run: 'npm run build' },
  { name: 'Package', run: 'cp -r dist "$OUT"' },
];

function logOf({ kind }: Job, outcome: Outcome): string {
  if (outcome.kind === 'exit' && outcome.code === 0) return passingLog;
  return kind === 'test' ? testLog : failingLog;
}
