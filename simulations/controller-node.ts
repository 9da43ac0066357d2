import { awaitedLeases } from '../src/core/controller/drain.ts';
import type { ControllerEffect, ControllerEvent, Timings } from '../src/core/controller/events.ts';
import type { Controller } from '../src/core/controller/machine.ts';
import { type Charter, decodeBundle, sha256Hex, type Verified } from '../src/core/documents/index.ts';
import { codeOf, messageOf, reportedError } from '../src/core/errors.ts';
import { bundleServer } from '../src/core/sessions/bundle-exchange.ts';
import { CheckedBundles } from '../src/core/sessions/controller/checked-bundles.ts';
import { ControllerSessions } from '../src/core/sessions/controller/controller-sessions.ts';
import { IdpClient, localGrants } from '../src/core/sessions/controller/grants.ts';
import { LostBundles } from '../src/core/sessions/controller/lost-bundles.ts';
import type { ControllerPorts, Grants } from '../src/core/sessions/controller/ports.ts';
import { StartInquiry } from '../src/core/sessions/controller/start-inquiry.ts';
import type { EventLog } from '../src/core/sessions/loop.ts';
import type { Channel, ServedProtocol, Signing } from '../src/core/sessions/ports.ts';
import { RevocationBook, type StoredRevocations } from '../src/core/sessions/revocation-book.ts';
import { ownVersion } from '../src/core/wire/peer-version.ts';
import { topics } from '../src/core/wire/protocols.ts';
import { describeController } from './describe.ts';
import { TwoStories } from './forked-log.ts';
import { type Node, serve } from './network.ts';
import type { Observation } from './observer.ts';
import type { KeyChange, Paperwork } from './paperwork.ts';
import { type CrashPoint, type Life, Process, type Surroundings } from './process.ts';
import type { Random } from './random.ts';
import { snapshot } from './snapshot.ts';
import { type Stores, storePorts } from './store-node.ts';

export interface ControllerOptions {
  timings: Timings;
  observe: (seen: Observation) => void;
  /** The nodes that listen to gossip. */
  listeners: () => readonly (Node & { hear(topic: string, author: string, message: Uint8Array): void })[];
  /** Whether one of these nodes serves an artifact now. */
  serves: (artifact: string, from: readonly string[]) => boolean;
  fresh: () => Controller;
  /** Where it keeps no bytes. */
  stores: Stores | undefined;
  /** It dies at this event, once. */
  crash: { at: number; point: CrashPoint } | undefined;
  /** It tells its workers two stories. */
  forks: number | undefined;
  /** The identity provider's process; undefined where its key is in this one. */
  idp: Node | undefined;
}

const drainLookMs = 500;
/** The owner waits as long for members to answer at a start. */
const aloneAfterMs = 10 * 60_000;

type ControllerLife = Life<ControllerEvent, ControllerEffect, Controller>;

/** The controller's process. */
export class ControllerNode extends Process<ControllerEvent, ControllerEffect, Controller> {
  readonly name = 'controller';
  /** PeerId of the key that this life signs with. */
  id: string;
  protected readonly tick: ControllerEvent = { kind: 'tick' };
  readonly #paper: Paperwork;
  readonly #options: ControllerOptions;
  /** A planted bug: a start does not look which bundles there are. */
  bundlesBelieved = false;
  /** On its disk, by run, job and artifact. */
  readonly #bundles = new Map<string, string>();
  #lost: LostBundles | undefined;
  readonly #stories: TwoStories | undefined;
  #checkpoint: string | undefined;
  #evidence: StoredRevocations | undefined;
  #sessions: ControllerSessions | undefined;
  #idpClient: IdpClient | undefined;
  #life: ControllerLife | undefined;
  /** Its next life asks nobody. */
  #alone = false;
  /** The charter as it lies in the project's folder, where it is not the first one. */
  #folder: Verified<Charter> | undefined;
  #served = new Map<string, ServedProtocol>();

  constructor(around: Surroundings, paper: Paperwork, options: ControllerOptions) {
    super(around, 'controller');
    this.id = paper.controller.id;
    this.#paper = paper;
    this.#options = options;
    if (options.forks !== undefined)
      this.#stories = new TwoStories({
        random: around.random.fork('two stories'),
        project: paper.project,
        signer: paper.controller,
        at: options.forks,
        leaves: () => this.machine.state.log.leaves(),
      });
  }

  protected fresh(): Controller {
    return this.#options.fresh();
  }

  /** Signs with the key of this life. */
  protected override signing(): Signing {
    const signer = this.#paper.controllers.find(({ id }) => id === this.id);
    return { ...super.signing(), ...(signer && { signer }) };
  }

  protected begin(life: ControllerLife): void {
    void this.#open(life);
  }

  async #open(life: ControllerLife): Promise<void> {
    const logEvidence = await RevocationBook.open(this.#paper.project, this.around.documents.verifier, {
      load: async () => this.#evidence,
      save: async (stored) => {
        if (life.alive()) this.#evidence = stored;
      },
    });
    if (!life.alive()) return;
    this.id = this.#paper.controller.id;
    const keys = { controller: this.id, idp: this.#paper.idp.id };
    const ports = this.#ports(life, logEvidence, this.#inquiry(life));
    const sessions = new ControllerSessions(ports);
    const stored = {
      get: async (which: string) => this.#bundles.get(which),
      size: async (which: string) => this.#bundles.get(which)?.length,
      drop: async (which: string) => void this.#bundles.delete(which),
    };
    const bundles = bundleServer(
      new CheckedBundles(ports, stored, (text) => sha256Hex(new TextEncoder().encode(text)), sessions),
    );
    this.#sessions = sessions;
    this.#served = new Map();
    this.#life = life;
    void this.#start(life, sessions, { keys, served: [...sessions.served, bundles] }).catch((error) => {
      if (life.alive()) this.#notStarted(error);
    });
  }

  #notStarted(error: unknown): void {
    this.#options.observe({ kind: 'not-started', code: codeOf(error), says: messageOf(error) });
  }

  /** Asks its members at the start. Its owner goes on without them where none comes for long. */
  #inquiry(life: ControllerLife): StartInquiry {
    const { network, trace, time, random } = this.around;
    const luck = random.fork(`inquiry of life ${life.n}`);
    // A controller that tells two stories asks nobody for the other one.
    const isHonest = this.#options.forks === undefined;
    const alone = !isHonest || this.#alone;
    this.#alone = false;
    const inquiry = new StartInquiry({
      project: this.#paper.project,
      signing: this.signing(),
      clock: life.clock,
      machine: life.machine,
      tell: (_, kind, says) => {
        if (life.alive()) trace.write(time.now, this.name, `${kind}: ${says}`);
      },
      dial: async ({ id }, protocol) => {
        const worker = this.#options.listeners().find((node) => node.id === id);
        if (worker === undefined) throw reportedError('MESH_UNREACHABLE', 'there is no such worker');
        return network.dial(this, worker, protocol, luck);
      },
      alone,
      journalLost: false,
      stop: (error) => {
        if (isHonest && life.alive()) this.#notStarted(error);
      },
    });
    if (!alone)
      life.clock.after(aloneAfterMs, () => {
        if (inquiry.isOpen) return;
        this.#alone = true;
        this.crash('as none of its members answers');
      });
    return inquiry;
  }

  async #start(
    life: ControllerLife,
    sessions: ControllerSessions,
    { keys, served }: { keys: { controller: string; idp: string }; served: readonly ServedProtocol[] },
  ): Promise<void> {
    this.#served = new Map(served.map((one) => [one.protocol, one]));
    const charter = this.#folder ?? (await this.#paper.charter());
    const { timings, stores } = this.#options;
    const kept = stores && { stores: { ids: stores.nodes.map(({ id }) => id), copies: stores.copies } };
    await sessions.begin({ kind: 'started', charter, keys, timings, ...kept });
    if (!life.alive()) return;
    void sessions.resume(new Set(this.#bundles.keys()));
    this.#idpClient?.start();
  }

  /** The owner signs the next charter; a controller that is down takes it at its start. */
  async nextCharter(replaces: KeyChange): Promise<void> {
    const life = this.#life;
    const charter = await this.#paper.next(replaces);
    this.#folder = charter;
    if (life === undefined) return;
    await this.#sessions?.dispatch({ kind: 'charter', charter });
    if (replaces === 'nothing') return;
    await this.#sessions?.tellCharter();
    if (life.alive()) this.crash('to go on with other keys');
  }

  /** Its operator drains it, and stops it when its leases have ended, or after that time. */
  async drain(limitMs: number): Promise<void> {
    const life = this.#life;
    if (life === undefined || !life.alive()) return;
    await this.#sessions?.dispatch({ kind: 'drain' });
    if (!life.alive()) return;
    const stopsAt = life.clock.monotonic() + limitMs;
    const look = (): void => {
      const over = awaitedLeases(this.machine.state).length === 0;
      if (over || life.clock.monotonic() >= stopsAt) this.crash(over ? 'drained' : 'while it is drained');
      else life.clock.after(drainLookMs, look);
    };
    look();
  }

  protected crashRate(): number {
    return this.around.rates().controllerCrashPerEvent;
  }

  protected override crashPlanned(n: number): CrashPoint | undefined {
    const { crash } = this.#options;
    return crash?.at === n ? crash.point : undefined;
  }

  protected override onDisk(
    journal: EventLog<ControllerEvent>,
    machine: Controller,
  ): EventLog<ControllerEvent> {
    const spool = new Map<string, string>();
    const write = (name: string, text: string) => spool.set(name, text) === spool;
    const read = async (name: string) => spool.get(name);
    this.#lost = new LostBundles(journal, machine, new Set(this.#bundles.keys()), {
      ...{ write, read, end: () => spool.clear() },
    });
    return this.bundlesBelieved ? journal : this.#lost;
  }

  protected override damage(random: Random): void {
    const rate = this.around.rates().bundleLossPerCrash;
    const lost = [...this.#bundles.keys()].filter(() => random.chance(rate));
    for (const name of lost) {
      this.#bundles.delete(name);
      this.#options.observe({ kind: 'bundle-lost', run: name });
    }
  }

  protected snapshot(machine: Controller): string {
    return snapshot(machine.state);
  }

  protected handled(event: ControllerEvent, effects: readonly ControllerEffect[]): void {
    this.#options.observe({ kind: 'handled', event, effects, state: this.machine.state });
  }

  protected journaled(at: number): void {
    this.#options.observe({ kind: 'journaled', who: this.name, at });
  }

  protected restored(before: string, after: string): void {
    const { state } = this.machine;
    this.#options.observe({ kind: 'restarted', who: this.name, before, after, state });
  }

  protected describe(event: ControllerEvent, effects: readonly ControllerEffect[]): string | undefined {
    return describeController(event, effects, (id) => this.around.trace.nameOf(id));
  }

  protected perform(effect: ControllerEffect): void {
    const { state } = this.machine;
    this.#options.observe({ kind: 'sent', effect, state });
    if (effect.kind === 'cosign')
      this.#options.observe({ kind: 'shown', run: effect.run, worker: effect.worker });
    this.#sessions?.perform(effect);
  }

  accept(protocol: string, channel: Channel): void {
    const served = this.#served.get(protocol);
    if (served === undefined) return channel.abort(new Error(`${protocol} is not served`));
    const told = this.#stories?.tell(protocol, channel) ?? channel;
    void serve(served, told);
  }

  #ports(life: ControllerLife, logEvidence: RevocationBook, inquiry: StartInquiry): ControllerPorts {
    const { time, network, random } = this.around;
    const lost = this.#lost;
    if (lost === undefined) throw new Error('a life begins with a replay');
    const whenAlive = <T>(act: () => T): Promise<T> =>
      life.alive() ? Promise.resolve(act()) : new Promise(() => {});
    return {
      project: this.#paper.project,
      signing: this.signing(),
      version: ownVersion('1.0.0'),
      retired: this.#paper.controllers.filter(({ id }) => id !== this.id),
      grants: this.#grants(life),
      clock: life.clock,
      machine: life.machine,
      inquiry,
      dispatch: (event) => this.dispatch(life, event),
      publish: async (topic, message) => {
        // Gossip would show all workers the same story.
        const isKept = this.#options.forks !== undefined && topic === topics.checkpoints(this.#paper.project);
        if (!life.alive() || isKept) return;
        const listeners = this.#options.listeners();
        network.gossip(this, listeners, (node) =>
          listeners.find(({ id }) => id === node.id)?.hear(topic, this.id, message),
        );
      },
      keepConnection: () => () => {},
      charge: () => 0,
      bundles: {
        get: (which) => whenAlive(() => this.#bundles.get(which)),
        put: ({ run, job, artifact }, text) =>
          whenAlive(() => {
            for (const key of [run, job, artifact]) if (key !== null) this.#bundles.set(key, text);
            void this.#publish(run, text);
          }),
        drop: (artifact) => whenAlive(() => void this.#bundles.delete(artifact)),
      },
      lost,
      checkpointFile: {
        load: async () => this.#checkpoint,
        save: (note) =>
          whenAlive(() => {
            this.#checkpoint = note;
          }),
      },
      logEvidence,
      externalWitnesses: () => [],
      logFiles: {
        create: async () => ({ write() {}, async end() {} }),
        async *read() {},
      },
      ...storePorts(this.#options.stores, this, this.around, life.clock),
      needImage: async () => {},
      needDependencies: () => {},
      bringDependencies: async () => {},
      refreshCharter: async () => {},
      pin: ({ run, artifact, from }) => {
        const luck = random.fork(`pin ${artifact} ${time.now}`);
        // Some trees are large: the trusted worker may well deliver meanwhile.
        life.clock.after(luck.chance(0.3) ? luck.int(5_000, 60_000) : luck.int(200, 4_000), () => {
          const ok = this.#options.serves(artifact, from);
          void this.dispatch(life, {
            kind: 'pinned',
            run,
            artifact,
            ok,
            detail: ok ? '' : 'nobody serves it',
          });
        });
      },
      keep: () => {},
      announce: async () => {},
      feedUrls: () => [],
      tell: (level, kind, says) => {
        if (level === 'warn' && life.alive())
          this.around.trace.write(time.now, this.name, `${kind}: ${says}`);
      },
    };
  }

  /** Signed here, or by the identity provider's process. */
  #grants(life: ControllerLife): Grants {
    const { idp } = this.#options;
    if (idp === undefined) return localGrants(this.#paper.idp);
    const { network, documents, trace, time } = this.around;
    this.#idpClient = new IdpClient({
      project: this.#paper.project,
      idpAddrs: ['/dns4/idp.example/tcp/1'],
      dial: async ({ id }, protocol) => {
        if (id === null || id === idp.id) return network.dial(this, idp, protocol);
        throw reportedError('MESH_UNREACHABLE', `${id} is not there`);
      },
      documents,
      clock: life.clock,
      charter: () => life.machine.state.charter,
      takeCharter: async (charter) => {
        if (!life.alive()) return;
        this.#folder = charter;
        await this.dispatch(life, { kind: 'charter', charter });
      },
      addresses: () => ['/dns4/controller.example/tcp/1'],
      tell: (level, kind, says) => {
        if (life.alive()) trace.write(time.now, this.name, `${level} ${kind}: ${says}`);
      },
    });
    return this.#idpClient;
  }

  async #publish(run: string, text: string): Promise<void> {
    const bundle = decodeBundle(text);
    const { payload } = await this.around.documents.verdict(bundle.verdict);
    this.#options.observe({ kind: 'published', run, bundle, verdict: payload });
  }
}
