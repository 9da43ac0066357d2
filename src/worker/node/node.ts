import { readdir, rm } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { openSandboxes, type Sandboxes, type Tier } from '../../../sandbox/index.ts';
import { hostArch } from '../../execution/host-arch.ts';
import { checkJournalFree, openJournal } from '../../journal/index.ts';
import { openMesh } from '../../mesh/index.ts';
import { announce } from '../../node/artifacts/announce.ts';
import { startBlockCollection } from '../../node/artifacts/block-collection.ts';
import { openBundles, serveBundles } from '../../node/artifacts/bundles.ts';
import { membersOf } from '../../node/artifacts/members.ts';
import { repairTrees } from '../../node/artifacts/repair.ts';
import { serveRevocations } from '../../node/artifacts/revocations.ts';
import { serveArtifacts } from '../../node/artifacts/transfer.ts';
import { HttpClient } from '../../node/http-get.ts';
import { type NodePorts, openNode } from '../../node/kernel/open-node.ts';
import { openLeafFile } from '../../node/leaf-file.ts';
import { openCredentials } from '../../node/membership/credentials.ts';
import type { Home } from '../../node/membership/home.ts';
import { machineTime, meshDial, meshTopics, signingOf } from '../../node/ports.ts';
import { version } from '../../program.ts';
import { Bandwidth } from '../../protocol/base/bandwidth.ts';
import { bootstrapHost } from '../../protocol/judge/hosts.ts';
import type { Membership } from '../../protocol/sessions/credentials.ts';
import { keepStreams } from '../../protocol/sessions/kept-streams.ts';
import type { MachineTime } from '../../protocol/sessions/machine-time.ts';
import { knownIn } from '../../protocol/sessions/revocation-exchange.ts';
import { ownVersion } from '../../protocol/wire/peer-version.ts';
import { topicsOf } from '../../protocol/wire/protocols.ts';
import type { Store } from '../../store/index.ts';
import { knobs } from '../lending-knobs.ts';
import type { Lending, WorkerEffect, WorkerEvent } from '../machine/events.ts';
import { Worker } from '../machine/machine.ts';
import { workerRules } from '../machine/state.ts';
import { type HttpFeedTimings, httpFeedTimings } from '../sessions/http-feed.ts';
import { WorkerSessions } from '../sessions/worker-sessions.ts';
import { HostList } from './allowed-hosts.ts';
import { Builder } from './builder.ts';
import { areaOf, type WorkerContext } from './context.ts';
import { serveControl } from './control.ts';
import { WorkerImages } from './images.ts';
import { removeInputs } from './inputs.ts';
import type { WorkerMeters } from './metrics.ts';
import { Operator } from './operator.ts';
import { pinOfResults, trimResults } from './results.ts';
import { checkServed, hostLimitsOf, type OperatorRules } from './terms.ts';
import { openWitnessFile } from './witness-file.ts';

export interface WorkerOptions extends NodePorts {
  home: Home;
  membership: Membership;
  listen: string[];
  lending: Lending;
  /** The clock is right now, and was wrong when the journal was last written. */
  acceptClock?: boolean;
  /** Begun before this process joined the project. */
  time?: MachineTime | undefined;
  /** When new jobs are taken, and when builds are paused; by default always and never. */
  rules?: OperatorRules;
  /** Its operator wants it to end, or it was drained. */
  onStop?(): void;
  /** By default the strongest tier that ran on this machine. */
  sandboxes?: Sandboxes;
  /** For embedding, as well. */
  openMesh?: typeof openMesh;
  httpFeed?: HttpFeedTimings;
}

export type WorkerNode = Awaited<ReturnType<typeof startWorker>>;

/** Resources that are lent where the operator sets nothing. The tiers are those that were opened. */
export function defaultLending(tiers: readonly Tier[]): Lending {
  const cpus = Math.max(1, Math.floor(availableParallelism() / 2));
  const memoryBytes = Math.floor(totalmem() / 2);
  return {
    capabilities: { arch: hostArch, cpus, memoryBytes, diskBytes: memoryBytes, tiers: [...tiers] },
    jobsAtOnce: knobs.jobsAtOnce.default,
    pids: knobs.pids.default,
    seconds: knobs.seconds.default,
  };
}

const journalOf = (home: Home, project: string): string => join(home.dir, `worker-${project}.db`);

/** Before anything is looked at or asked: whether a worker for that project runs from this home. @throws `JOURNAL_…`. */
export function checkIdle(home: Home, project: string): void {
  checkJournalFree(journalOf(home, project));
}

/** Starts working for one project. @throws `SANDBOX_UNAVAILABLE`, `JOURNAL_…`, `MESH_…`, `STORE_…`, `DOC_…`, `PROJECT_NOT_SERVED`, `LIMITS_NOT_ENFORCEABLE`. */
export async function startWorker(options: WorkerOptions) {
  const { home, membership, rules = { hours: [] } } = options;
  checkServed(rules, membership.project);
  const key = await home.key();
  const { time = machineTime() } = options;
  return openNode({ ...options, dir: home.dir, time }, async (kernel) => {
    const { tell, clock, closing } = kernel;
    const file = journalOf(home, membership.project);
    const owner = { name: `worker ${key.id}`, rules: workerRules };
    const journal = await kernel.use(openJournal<WorkerEvent>(file, owner));
    const sandboxes = options.sandboxes ?? (await openSandboxes(join(home.dir, 'sandbox')));
    const capabilities = { ...options.lending.capabilities, tiers: [...sandboxes.tiers] };
    const lending: Lending = { ...options.lending, capabilities };
    const credentials = await openCredentials(home, key, membership);
    const listed = { listed: rules.hosts, limits: hostLimitsOf(rules) };
    const hosts = await HostList.open({ home, membership, tell, ...listed });
    const bandwidth = new Bandwidth();
    const mesh = await kernel.use(
      (options.openMesh ?? openMesh)({
        key: key.seed,
        listen: options.listen,
        bootstrap: [
          ...membership.bootstrap.filter((addr) => bootstrapHost(addr).every((host) => hosts.allows(host))),
          ...membership.controllers.flatMap(({ addrs }) => addrs),
        ],
        peersFile: join(home.dir, 'peers.json'),
        topics: topicsOf(membership.project),
        role: 'node',
        bandwidth,
      }),
    );
    const store = await kernel.openStore(mesh.libp2p, { node: 'worker', command: 'quorate join <ticket>' });
    // The store is one process's at a time, and so is what lies beside it.
    await sweepScratch(home.dir);
    const revocations = await kernel.openRevocations(membership.project);
    const machine = new Worker(key.id);
    const { acceptClock = false } = options;
    const tick = { kind: 'tick' } as const;
    const loop = kernel.openLoop<WorkerEvent, WorkerEffect>({ machine, journal, acceptClock, tick });
    const context: WorkerContext = {
      dir: home.dir,
      key,
      credentials,
      machine,
      dispatch: (event) => loop.dispatch(event),
      mesh,
      dial: keepStreams(meshDial(mesh, closing), clock),
      bandwidth,
      privateHosts: options.rules?.privateHosts ?? [],
      gate: hosts.gate,
      store,
      revocations: () => revocations.revoked,
      bundles: openBundles(join(home.dir, 'bundles')),
      tell,
      signal: closing,
    };
    const http = await kernel.use(new HttpClient(hosts.gate, bandwidth.down));
    const images = new WorkerImages(context, rules.imageBytes);
    const builder = new Builder(context, sandboxes, images);
    let onBuilds = () => {};
    let meters: WorkerMeters | undefined;
    const sessions = new WorkerSessions(
      {
        signing: signingOf(key.signer),
        version: ownVersion(version()),
        clock,
        dial: context.dial,
        credentials,
        machine,
        dispatch: context.dispatch,
        subscribe: meshTopics(mesh),
        publish: (topic, message) => mesh.publish(topic, message),
        neighbours: () => mesh.connected(),
        findPeer: (id, timeoutMs) => {
          const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
          return mesh.findPeer(id, { signal }).catch(() => []);
        },
        findMembers: (timeoutMs) => membersOf(mesh, membership.project, timeoutMs, closing),
        announce: (artifact) => announce(mesh, artifact, closing),
        httpGet: (url, { timeoutMs, ...rest }) => {
          const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
          return http.text(url, { ...rest, signal });
        },
        lending,
        build(lease, job, ref, reads) {
          const begun = performance.now();
          const build = builder.build({ lease, job, ref, reads });
          onBuilds();
          build.then((result) => meters?.built(result, performance.now() - begun)).catch(() => {});
          return build.finally(() => onBuilds());
        },
        stopBuild: (lease) => builder.stop(lease),
        logTimes: (lease, messageBytes) => builder.logTimes(lease, messageBytes),
        results: {
          publish: (lease) => store.publish(store.sealed(areaOf(lease))),
          pin: (roots) => store.pin([...roots], pinOfResults),
          discard: (lease) => store.discard(store.sealed(areaOf(lease))),
          retain: (leases) => retainAreas(store, leases),
          has: (artifact) => store.has(artifact),
        },
        bundles: context.bundles,
        witnessFile: openWitnessFile(
          join(home.dir, `witness-${membership.project}.json`),
          membership.project,
        ),
        leafFile: openLeafFile(join(home.dir, `log-${membership.project}.txt`)),
        revocations,
        tell,
      },
      options.httpFeed ?? httpFeedTimings,
    );
    loop.replay();
    await sessions.prepare();
    loop.perform = (effect) => sessions.perform(effect);
    serveBundles(mesh, sessions.publication.serving(context.bundles));
    serveRevocations(mesh, { ...knownIn(revocations), ...sessions.known });
    serveArtifacts(context);
    let damaged: readonly string[] = [];
    const operator = new Operator({
      lending,
      rules,
      sandboxes,
      bandwidth,
      dispatch: (event) => {
        // The terms may have changed that a sandbox was started under.
        if (event.kind === 'lending') void builder.dismiss();
        return loop.dispatch(event);
      },
      builds: () => builder.builds,
      fetching: () => images.fetching,
      damaged: () => damaged,
      leases: () => machine.openLeases,
      history: () => machine.history.list,
      trouble: () => sessions.trouble,
      behind: () => sessions.behind,
      log: () => sessions.witness,
      hosts,
      pendingHosts: () => hosts.pending(credentials, machine),
      tell,
      stop: () => options.onStop?.(),
    });
    onBuilds = () => operator.rebalance();
    builder.takesJobs = () => operator.lending.closed === undefined;
    if (options.metrics !== undefined) {
      const { meterWorker } = await import('./metrics.ts');
      meters = meterWorker(options.metrics, { status: () => operator.status(), mesh, store });
    }
    kernel.onClose(() => operator.close());
    kernel.onClose(await serveControl(home.dir, membership.project, operator));
    await sessions.start({ kind: 'started', grant: credentials.grant, lending: operator.lending });
    operator.start();
    kernel.onClose(mesh.joinProject(membership.project));
    void sessions.publication.announceArtifacts();
    void images.announceReady();
    void removeInputs(context);
    kernel.onClose(async () => {
      await sessions.idle();
      await builder.close();
    });
    const holders = () => credentials.membership.controllers.map(({ id }) => id);
    kernel.onClose(
      startBlockCollection({
        store,
        tell,
        trim: (signal) => trimResults(context, sessions.publication, { bytesMax: rules.resultBytes, signal }),
        async repair(trees, signal) {
          await repairTrees({ mesh, store, tell, holders }, trees, signal);
          // Its files are the blocks of a tree that were damaged.
          await images.makeAnew(trees.roots);
        },
        incomplete: (roots) => {
          damaged = roots;
        },
      }),
    );
    return {
      id: key.id,
      addresses: () => mesh.addresses(),
      health: {
        live: [{ name: 'journal', trouble: () => kernel.trouble }],
        ready: [{ name: 'jobs', trouble: () => operator.status().reason ?? undefined }],
      },
    };
  });
}

async function sweepScratch(dir: string): Promise<void> {
  const left = (await readdir(dir).catch(() => [])).filter((name) => name.startsWith('tmp-'));
  for (const name of left) await rm(join(dir, name), { recursive: true, force: true });
}

async function retainAreas(store: Store, leases: readonly string[]): Promise<void> {
  const wanted = new Set(leases.map(areaOf));
  for (const name of await store.sealedNames())
    if (!wanted.has(name)) await store.discard(store.sealed(name));
}
