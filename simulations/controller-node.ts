import type { ControllerEffect, ControllerEvent, Timings } from '../src/controller/machine/events.ts';
import type { Controller } from '../src/controller/machine/machine.ts';
import { awaitedLeases } from '../src/controller/machine/rounds/leases.ts';
import { CheckedBundles } from '../src/controller/sessions/checked-bundles.ts';
import { ControllerSessions } from '../src/controller/sessions/controller-sessions.ts';
import { type IdpClient, localGrants } from '../src/controller/sessions/grants.ts';
import { LostBundles } from '../src/controller/sessions/lost-bundles.ts';
import type { ControllerPorts, Grants } from '../src/controller/sessions/ports.ts';
import { type InquiryPorts, StartInquiry } from '../src/controller/sessions/start-inquiry.ts';
import { codeOf, messageOf } from '../src/protocol/base/errors.ts';
import { type Charter, decodeBundle, sha256Hex, type Verified } from '../src/protocol/documents/index.ts';
import { bundleServer } from '../src/protocol/sessions/bundle-exchange.ts';
import type { EventLog } from '../src/protocol/sessions/loop.ts';
import type { Channel, ServedProtocol, Signing } from '../src/protocol/sessions/ports.ts';
import { RevocationBook } from '../src/protocol/sessions/revocation-book.ts';
import { ownVersion } from '../src/protocol/wire/peer-version.ts';
import { topics } from '../src/protocol/wire/protocols.ts';
import { AskedMembers } from './asked-members.ts';
import { ControllerDisk, type DiskCopy } from './controller-disk.ts';
import { describeController } from './describe.ts';
import { TwoStories } from './forked-log.ts';
import { idpClient } from './idp-node.ts';
import { logFilesOn } from './logs.ts';
import type { RestoreKind } from './mishaps.ts';
import { type Node, serve } from './network.ts';
import { observedSigner } from './observed-signer.ts';
import type { KeyChange, Paperwork } from './paperwork.ts';
import { type CrashPoint, type Life, Process, type Surroundings, whenAlive } from './process.ts';
import type { Random } from './random.ts';
import { snapshot } from './snapshot.ts';
import { type Stores, storePorts } from './store-node.ts';
import type { WorkerNode } from './worker-node.ts';

const drainLookMs = 500;
/** The owner waits as long for members to answer at a start. */
const aloneAfterMs = 10 * 60_000;

interface ControllerOptions {
  timings: Timings;
  listeners: () => readonly WorkerNode[];
  /** Whether one of these nodes serves an artifact now. */
  serves: (artifact: string, from: readonly string[]) => boolean;
  fresh: () => Controller;
  /** Where it keeps no bytes. */
  stores: Stores | undefined;
  /** It dies at this event, once. */
  crash: { at: number; point: CrashPoint } | undefined;
  /** A planted bug: other ports for what is asked at a start. */
  inquiry: ((ports: InquiryPorts) => InquiryPorts) | undefined;
  /** Whether a trusted worker has joined, which has the log. */
  mayLoseJournal: () => boolean;
  /** It tells its workers two stories. */
  forks: number | undefined;
  /** The identity provider's process; undefined where its key is in this one. */
  idp: Node | undefined;
}

type ControllerLife = Life<ControllerEvent, ControllerEffect, Controller>;

export class ControllerNode extends Process<ControllerEvent, ControllerEffect, Controller> {
  readonly name = 'controller';
  /** PeerId of the key that this life signs with. */
  id: string;
  protected readonly tick: ControllerEvent = { kind: 'tick' };
  readonly #paper: Paperwork;
  readonly #options: ControllerOptions;
  /** A planted bug: a start does not look which bundles there are. */
  bundlesBelieved = false;
  readonly #disk = new ControllerDisk();
  #lost: LostBundles | undefined;
  readonly #stories: TwoStories | undefined;
  #sessions: ControllerSessions | undefined;
  #idpClient: IdpClient | undefined;
  #life: ControllerLife | undefined;
  /** Its next life asks nobody. */
  #alone = false;
  #inquiry: StartInquiry | undefined;
  shown = (): number => this.#inquiry?.waits?.shown ?? 0;
  /** Its journal was replaced, and no life has begun to sign since. */
  isAsking = false;
  #asked: AskedMembers | undefined;
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
    const signing = super.signing();
    const signer = this.#paper.controllers.find(({ id }) => id === this.id) ?? signing.signer;
    const observed = observedSigner(signer, ({ size, root }) =>
      this.around.observe({ kind: 'signed', log: signer.id, size, root }),
    );
    return { ...signing, signer: observed };
  }

  protected begin(life: ControllerLife): void {
    void this.#open(life);
  }

  async #open(life: ControllerLife): Promise<void> {
    const logEvidence = await RevocationBook.open(this.#paper.project, this.around.documents.verifier, {
      load: async () => this.#disk.evidence,
      save: async (stored) => {
        if (life.alive()) this.#disk.evidence = stored;
      },
    });
    if (!life.alive()) return;
    this.id = this.#paper.controller.id;
    const keys = { controller: this.id, idp: this.#paper.idp.id };
    const ports = this.#ports(life, logEvidence, this.#inquiryOf(life));
    const sessions = new ControllerSessions(ports);
    const bundles = bundleServer(
      new CheckedBundles(
        ports,
        this.#disk.stored,
        (text) => sha256Hex(new TextEncoder().encode(text)),
        sessions,
      ),
    );
    this.#sessions = sessions;
    this.#served = new Map();
    this.#life = life;
    void this.#start(life, sessions, { keys, served: [...sessions.served, bundles] }).catch((error) => {
      if (life.alive()) this.#notStarted(error);
    });
  }

  #notStarted(error: unknown): void {
    this.around.observe({ kind: 'not-started', code: codeOf(error), says: messageOf(error) });
  }

  /** Asks its members at the start. Its owner goes on without them where none comes for long, but not with a copy. */
  #inquiryOf(life: ControllerLife): StartInquiry {
    // A controller that tells two stories asks nobody for the other one.
    const isHonest = this.#options.forks === undefined;
    const alone = !isHonest || this.#alone;
    this.#alone = false;
    this.#asked = new AskedMembers(this.around.documents);
    const { trace, time } = this.around;
    const ports: InquiryPorts = {
      project: this.#paper.project,
      signing: this.signing(),
      clock: life.clock,
      machine: life.machine,
      dial: this.#asked.dialOf(this, this.around, this.#options.listeners, life.n),
      alone,
      journalLost: this.isAsking && this.copyOfJournal().length === 0,
      tell: (_, kind, says) => {
        if (life.alive()) trace.write(time.now, this.name, `${kind}: ${says}`);
      },
      takeCharter: this.#takeCharter(life),
      stop: (error) => {
        if (isHonest && life.alive()) this.#notStarted(error);
      },
    };
    const inquiry = new StartInquiry(this.#options.inquiry?.(ports) ?? ports);
    this.#inquiry = inquiry;
    if (!alone)
      life.clock.after(aloneAfterMs, () => {
        if (inquiry.isOpen || this.isAsking) return;
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
    const charter = this.#disk.folder ?? (await this.#paper.charter());
    const { timings, stores } = this.#options;
    const kept = stores && { stores: { ids: stores.nodes.map(({ id }) => id), copies: stores.copies } };
    await sessions.begin({ kind: 'started', charter, keys, timings, ...kept });
    if (!life.alive()) return;
    void sessions.startWork(new Set(this.#disk.bundles.keys()));
    this.#idpClient?.start();
  }

  /** The owner signs the next charter; a controller that is down takes it at its start. */
  async nextCharter(replaces: KeyChange): Promise<void> {
    const life = this.#life;
    const charter = await this.#paper.next(replaces);
    this.#disk.folder = charter;
    if (life === undefined) return;
    if (this.#inquiry?.isOpen !== true) return this.crash('to start with the next charter');
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

  readonly logOf = (lease: string): string | undefined => this.#disk.logs.get(lease);
  readonly timesOf = (lease: string): string | undefined => this.#disk.logs.get(`times of ${lease}`);

  copy(): DiskCopy {
    const copy = this.#disk.copy(this.copyOfJournal(), this.#keys);
    this.around.observe({ kind: 'copied', copy: copy.n });
    return copy;
  }

  get #keys(): string {
    return `${this.#paper.controller.id} ${this.#paper.idp.id}`;
  }

  /** Dies, and starts from a copy. Its keys are those of now: their owner has them elsewhere too. */
  restore(copy: DiskCopy, kind: RestoreKind): void {
    const isLost = kind === 'journal lost';
    const { forks, mayLoseJournal } = this.#options;
    // Without a trusted worker nobody could tell what a lost journal was.
    if (forks !== undefined || (isLost ? !mayLoseJournal() : !this.#disk.isOfStory(copy))) return;
    this.comeBackWith(isLost ? [] : copy.rows, `its disk is that of copy ${copy.n} (${kind})`);
    this.isAsking = true;
    const of = this.#disk.restore(copy, kind, this.#keys);
    this.around.observe({ kind: 'replaced', copy: of, bundles: new Set(this.#disk.bundles.keys()) });
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
    this.#lost = new LostBundles(journal, machine, new Set(this.#disk.bundles.keys()), {
      write,
      read,
      end: () => spool.clear(),
    });
    return this.bundlesBelieved ? journal : this.#lost;
  }

  protected override damage(random: Random): void {
    const rate = this.around.rates().bundleLossPerCrash;
    const lost = [...this.#disk.bundles.keys()].filter(() => random.chance(rate));
    for (const name of lost) {
      this.#disk.bundles.delete(name);
      this.around.observe({ kind: 'bundle-lost', run: name });
    }
  }

  protected snapshot(machine: Controller): string {
    return snapshot(machine.state);
  }

  protected handled(event: ControllerEvent, effects: readonly ControllerEffect[]): void {
    const { state } = this.machine;
    if (event.kind === 'started' && this.isAsking) {
      this.isAsking = false;
      const { answers = [] } = this.#asked ?? {};
      this.around.observe({ kind: 'restored', state, answers });
    }
    this.around.observe({ kind: 'handled', event, effects, state });
  }

  protected override restored(before: string, after: string): void {
    super.restored(before, after, this.machine.state, this.isAsking);
  }

  protected describe(event: ControllerEvent, effects: readonly ControllerEffect[]): string | undefined {
    return describeController(event, effects, (id) => this.around.trace.nameOf(id));
  }

  protected perform(effect: ControllerEffect): void {
    const { state } = this.machine;
    this.around.observe({ kind: 'sent', effect, state });
    if (effect.kind === 'cosign')
      this.around.observe({ kind: 'shown', run: effect.run, worker: effect.worker });
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
    const alive = <T>(act: () => T | Promise<T>) => whenAlive(life, act);
    return {
      project: this.#paper.project,
      signing: this.signing(),
      version: ownVersion('1.0.0'),
      retired: this.#paper.controllers.filter(({ id }) => id !== this.id),
      grants: this.#grantsOf(life),
      clock: life.clock,
      machine: life.machine,
      inquiry,
      dispatch: (event) => this.dispatch(life, event),
      publish: async (topic, message) => {
        // Gossip would show all workers the same story.
        const isKept = this.#options.forks !== undefined && topic === topics.checkpoints(this.#paper.project);
        if (!life.alive() || isKept) return;
        network.gossip(this, this.#options.listeners(), (node) => node.hear(topic, this.id, message));
      },
      charge: () => 0,
      bundles: {
        get: (which) => alive(() => this.#disk.bundles.get(which)),
        put: ({ run, job, artifact }, text) =>
          alive(() => {
            for (const key of [run, job, artifact]) if (key !== null) this.#disk.bundles.set(key, text);
            void this.#publish(run, text);
          }),
        drop: (artifact) => alive(() => void this.#disk.bundles.delete(artifact)),
      },
      lost,
      checkpointFile: {
        load: async () => this.#disk.checkpoint,
        save: (note) =>
          alive(() => {
            this.#disk.checkpoint = note;
          }),
      },
      logEvidence,
      externalWitnesses: () => [],
      logFiles: logFilesOn(this.#disk.logs, life.alive),
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
  #grantsOf(life: ControllerLife): Grants {
    const { idp } = this.#options;
    if (idp === undefined) return localGrants(this.#paper.idp);
    this.#idpClient = idpClient(this, idp, this.#paper.project, {
      around: this.around,
      life,
      takeCharter: this.#takeCharter(life),
    });
    return this.#idpClient;
  }

  /** As a newer one that another process or a member showed. */
  #takeCharter =
    (life: ControllerLife) =>
    async (charter: Verified<Charter>): Promise<void> => {
      if (!life.alive()) return;
      this.#disk.folder = charter;
      await this.dispatch(life, { kind: 'charter', charter });
    };

  async #publish(run: string, text: string): Promise<void> {
    const bundle = decodeBundle(text);
    const { payload } = await this.around.documents.verdict(bundle.verdict);
    this.around.observe({ kind: 'published', run, bundle, verdict: payload });
  }
}
