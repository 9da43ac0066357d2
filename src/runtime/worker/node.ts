import { readdir, rm } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { openSandboxes, type Sandboxes, type Tier } from '../../../sandbox/index.ts';
import { Bandwidth } from '../../core/bandwidth.ts';
import { messageOf, unreachable } from '../../core/errors.ts';
import { topics } from '../../core/wire/protocols.ts';
import type { Lending, WorkerEffect, WorkerEvent } from '../../core/worker/events.ts';
import { Worker } from '../../core/worker/machine.ts';
import { checkJournalFree, openJournal } from '../../journal/index.ts';
import { openMesh } from '../../mesh/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { openBundles, serveBundles } from '../artifacts/bundles.ts';
import { collectNowAndThen } from '../artifacts/collect.ts';
import { serveArtifacts } from '../artifacts/transfer.ts';
import { openCredentials } from '../membership/credentials.ts';
import type { Home, Membership } from '../membership/home.ts';
import { Loop } from '../node/loop.ts';
import { type NodeEvent, teller } from '../node/node-events.ts';
import { passingAtWorker } from '../node/passing.ts';
import { Builder } from './builder.ts';
import { areaOf, type WorkerContext } from './context.ts';
import { serveControl } from './control.ts';
import { Cosigner } from './cosign.ts';
import { WorkerFeed } from './feed.ts';
import { type HttpFeedTimings, httpFeedTimings } from './http-feed.ts';
import { WorkerImages } from './images.ts';
import { WorkerLeases } from './leases.ts';
import { Operator } from './operator.ts';
import { Results } from './results.ts';
import { Serving } from './serving.ts';
import { checkServed, type OperatorRules } from './terms.ts';

export interface WorkerOptions {
  home: Home;
  membership: Membership;
  listen: string[];
  lending: Lending;
  onEvent(event: NodeEvent): void;
  onFailure(error: unknown): void;
  /** When new jobs are taken, and when builds stand still; by default always and never. */
  rules?: OperatorRules;
  /** Its operator wants it to end, or it was drained. */
  onStop?(): void;
  /** By default the strongest tier that ran on this machine. */
  sandboxes?: Sandboxes;
  /** For embedding, as well. */
  openMesh?: typeof openMesh;
  httpFeed?: HttpFeedTimings;
}

export interface WorkerNode {
  readonly id: string;
  addresses(): string[];
  close(): Promise<void>;
}

/** A large parallel build has a few hundred; a machine has tens of thousands. */
const defaultPids = 4096;
/** Who lends a machine for more than a day says so. */
const defaultSeconds = 24 * 3600;

/** Half of the machine, and one job at a time: what an owner of it will hardly notice. The tiers are those that were opened. */
export function defaultLending(tiers: readonly Tier[]): Lending {
  const cpus = Math.max(1, Math.floor(availableParallelism() / 2));
  const memoryBytes = Math.floor(totalmem() / 2);
  return {
    capabilities: {
      arch: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
      cpus,
      memoryBytes,
      diskBytes: memoryBytes,
      tiers: [...tiers],
    },
    jobsAtOnce: 1,
    pids: defaultPids,
    seconds: defaultSeconds,
  };
}

const journalOf = (home: Home, project: string): string => join(home.dir, `worker-${project}.db`);

/** Before anything is looked at or asked: whether a worker for that project runs from this home. Errors: `JOURNAL_…`. */
export function checkIdle(home: Home, project: string): void {
  checkJournalFree(journalOf(home, project));
}

/** Starts working for one project. Errors: `SANDBOX_UNAVAILABLE`, `JOURNAL_…`, `MESH_…`, `STORE_…`, `DOC_…`, `PROJECT_NOT_SERVED`, `LIMITS_NOT_HELD`. */
export async function startWorker(options: WorkerOptions): Promise<WorkerNode> {
  const { home, membership, rules = { hours: [] } } = options;
  checkServed(rules, membership.project);
  const tell = teller(options.onEvent);
  const key = await home.key();
  const stop = new AbortController();
  const journal = openJournal<WorkerEvent>(journalOf(home, membership.project), `worker ${key.id}`);
  const closers: (() => unknown)[] = [() => journal.close()];
  const closeAll = async () => {
    stop.abort();
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const sandboxes = options.sandboxes ?? (await openSandboxes(join(home.dir, 'sandbox')));
    const lending: Lending = {
      ...options.lending,
      capabilities: { ...options.lending.capabilities, tiers: [...sandboxes.tiers] },
    };
    const bandwidth = new Bandwidth();
    const mesh = await (options.openMesh ?? openMesh)({
      key: key.seed,
      listen: options.listen,
      bootstrap: [...membership.bootstrap, ...membership.controllers.flatMap(({ addrs }) => addrs)],
      peersFile: join(home.dir, 'peers.json'),
      topics: [topics.offers(membership.project), topics.verdicts(membership.project)],
      role: 'node',
      bandwidth,
    });
    closers.push(() => mesh.close());
    const store = await openStore({ dir: join(home.dir, 'store'), libp2p: mesh.libp2p });
    closers.push(() => store.close());
    // The store is one process's at a time, and so is what lies beside it.
    await sweepScratch(home.dir);
    const credentials = await openCredentials(home, key, membership);
    const machine = new Worker(key.id);

    let perform: (effect: WorkerEffect) => void = () => {};
    const loop = new Loop<WorkerEvent, WorkerEffect>({
      machine,
      journal,
      perform: (effect) => perform(effect),
      tick: { kind: 'tick' },
      passing: passingAtWorker,
      failed: (error) => {
        void closeAll().finally(() => options.onFailure(error));
      },
    });
    closers.push(() => loop.close());
    const context: WorkerContext = {
      dir: home.dir,
      key,
      credentials,
      machine,
      dispatch: (event) => loop.dispatch(event),
      mesh,
      bandwidth,
      privateHosts: options.rules?.privateHosts ?? [],
      store,
      bundles: openBundles(join(home.dir, 'bundles')),
      tell,
      signal: stop.signal,
    };
    const images = new WorkerImages(context, rules.imageBytes);
    const parts = new Parts(context, sandboxes, images, lending, options.httpFeed ?? httpFeedTimings);
    loop.replay();
    await sweepAreas(store, machine);
    perform = (effect) => parts.perform(effect);
    serveBundles(mesh, context.bundles);
    serveArtifacts(context);
    const operator = new Operator({
      lending,
      rules,
      sandboxes,
      bandwidth,
      dispatch: (event) => loop.dispatch(event),
      builds: () => parts.builder.builds,
      leases: () => machine.openLeases,
      tell,
      stop: () => options.onStop?.(),
    });
    parts.onBuilds = () => operator.rebalance();
    closers.push(() => operator.close());
    closers.push(await serveControl(home.dir, membership.project, operator));
    loop.dispatch({ kind: 'started', grant: credentials.grant, lending: operator.lending });
    operator.start();
    // Only now: offers of before the start are forgotten by it, and leases for them would be nobody's.
    parts.feed.start();
    closers.push(mesh.joinProject(membership.project));
    void parts.serving.resume();
    void images.resume();
    closers.push(() => parts.idle());
    const results = new Results(context, parts.serving, rules.resultBytes);
    closers.push(collectNowAndThen({ store, tell, letGo: (signal) => results.letGo(signal) }));
    return {
      id: key.id,
      addresses: () => mesh.addresses(),
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function sweepScratch(dir: string): Promise<void> {
  const left = (await readdir(dir).catch(() => [])).filter((name) => name.startsWith('tmp-'));
  for (const name of left) await rm(join(dir, name), { recursive: true, force: true });
}

/** Sealed areas of leases that are over: nobody will ask for them again. */
async function sweepAreas(store: Store, machine: Worker): Promise<void> {
  const wanted = new Set(machine.leases.map(areaOf));
  for (const name of await store.sealedNames())
    if (!wanted.has(name)) await store.discard(store.sealed(name));
}

/** Carries out what the machine asks for. */
class Parts {
  readonly #context: WorkerContext;
  readonly builder: Builder;
  readonly feed: WorkerFeed;
  readonly serving: Serving;
  readonly #leases: WorkerLeases;
  readonly #cosigner: Cosigner;
  /** What must come to its end before the store and the journal are closed. */
  readonly #unfinished = new Set<Promise<void>>();
  /** Told when a build begins or has ended. */
  onBuilds: () => void = () => {};

  constructor(
    context: WorkerContext,
    sandboxes: Sandboxes,
    images: WorkerImages,
    lending: Lending,
    timings: HttpFeedTimings,
  ) {
    this.#context = context;
    this.builder = new Builder(context, sandboxes, images);
    this.serving = new Serving(context);
    this.#cosigner = new Cosigner(context);
    this.#leases = new WorkerLeases(context, (lease, bundle) =>
      this.#run('cosign', this.#cosigner.check(lease, bundle)),
    );
    this.feed = new WorkerFeed(context, lending, timings, (artifact, level) =>
      this.#run('verdict', this.serving.onVerdict(artifact, level)),
    );
  }

  /** Builds that were stopped still clean up after themselves; what was revealed is served from then on. */
  async idle(): Promise<void> {
    while (this.#unfinished.size > 0) await Promise.allSettled(this.#unfinished);
    await this.builder.close();
  }

  #finish(what: string, work: Promise<void>): void {
    this.#unfinished.add(work);
    void work.catch(() => {}).finally(() => this.#unfinished.delete(work));
    this.#run(what, work);
  }

  #run(what: string, work: Promise<unknown>): void {
    const { signal, tell } = this.#context;
    work.catch((error) => {
      if (!signal.aborted) tell('warn', what, `${what}: ${messageOf(error)}`);
    });
  }

  perform(effect: WorkerEffect): void {
    const { tell } = this.#context;
    switch (effect.kind) {
      case 'claim':
        return this.#run('claim', this.#leases.claim(effect.offer, effect.claim));
      case 'build': {
        const build = this.#build(effect);
        this.onBuilds();
        void build.catch(() => {}).finally(() => this.onBuilds());
        return this.#finish('build', build);
      }
      case 'stop-build':
        return this.builder.stop(effect.lease);
      case 'send-receipt':
        return this.#run('receipt', this.#leases.sendReceipt(effect.lease, effect.receipt));
      case 'resume':
        return this.#run('resume', this.#leases.resume(effect.lease));
      case 'publish':
        return this.#finish('publish', this.serving.publish(effect.lease, effect.artifact, effect.log));
      case 'discard':
        return this.#finish('discard', this.serving.discard(effect.lease));
      case 'cosign':
        return this.#run('cosign', this.#cosigner.sign(effect.lease, this.#leases));
      case 'refuse-cosign':
        return this.#cosigner.refuse(effect.lease, effect.code, effect.message, this.#leases);
      case 'poll':
        return this.feed.poll();
      case 'note':
        return tell('warn', 'note', effect.says, { lease: effect.lease });
      default:
        return unreachable(effect, 'worker effect');
    }
  }

  async #build({ lease, job, ref }: Extract<WorkerEffect, { kind: 'build' }>): Promise<void> {
    const { dispatch, tell } = this.#context;
    tell('info', 'build', `building ${job.name} at ${job.source.commit.slice(0, 12)}`, {
      lease,
      job: job.name,
    });
    const result = await this.builder.build(lease, job, ref);
    if (result === undefined) return;
    const { outcome } = result;
    const says =
      outcome.kind === 'exit' ? `exit ${outcome.code}` : `aborted (${outcome.reason}): ${outcome.detail}`;
    tell('info', 'built', `${job.name} is built: ${says}`, { lease, outcome });
    dispatch({ kind: 'built', lease, result });
  }
}
