import { messageOf, QuorateError, unreachable } from '../../protocol/base/errors.ts';
import { Admission } from '../../protocol/sessions/admission.ts';
import { announceAgain } from '../../protocol/sessions/announce-again.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import type { ServedProtocol } from '../../protocol/sessions/ports.ts';
import { Followers, Replies } from '../../protocol/sessions/replies.ts';
import { revocationServer } from '../../protocol/sessions/revocation-exchange.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import type { OfferNotice } from '../../protocol/wire/messages.ts';
import type { ControllerEffect, ControllerEvent } from '../machine/events.ts';
import { artifactIn } from '../machine/facts.ts';
import { provingRun } from '../machine/queries/summary.ts';
import { type EventOf, publishedOf } from '../machine/state.ts';
import { AnswerServer } from './answer-server.ts';
import { ApiServer, cancelRun } from './api-server.ts';
import type { WitnessedCheckpoint } from './checkpoint-round.ts';
import { CheckpointRounds } from './checkpoint-rounds.ts';
import { FeedServer } from './feed-server.ts';
import { LeaseServer } from './lease-server.ts';
import { LogServer } from './log-server.ts';
import { documentsOfRun } from './own-evidence.ts';
import type { ControllerPorts } from './ports.ts';
import { Publisher } from './publisher.ts';
import { knownTo } from './revocations.ts';
import type { SharedPorts } from './shared.ts';
import { takeSigned, tellGivenBack } from './signed-bundles.ts';
import { askingError } from './start-inquiry.ts';
import { StorePins } from './store-pins.ts';
import { VerdictWitnesses } from './verdict-witnesses.ts';

/** The protocols that a controller serves, and the effects of its machine. One instance per life of the process. */
export class ControllerSessions {
  /** Open offers by id, oldest first, as they are gossiped and pulled. */
  readonly backlog: ReadonlyMap<string, OfferNotice>;
  readonly served: readonly ServedProtocol[];
  /** The checkpoints of the log, and who witnessed them. */
  readonly checkpoints: CheckpointRounds;
  /** Logs of builds, as they come. */
  readonly logs: LogServer;
  /** See `cancelRun`. */
  readonly cancel: (asked: Parameters<typeof cancelRun>[1]) => Promise<unknown>;
  readonly #ports: SharedPorts;
  readonly #given: ControllerPorts;
  readonly #feed: FeedServer;
  readonly #leases: LeaseServer;
  readonly #answers: AnswerServer;
  readonly #publisher: Publisher;
  readonly #witnesses: VerdictWitnesses;
  readonly #storePins: StorePins | undefined;
  /** The members have answered: the machine takes what they had, and starts. */
  #hasAsked = false;

  constructor(given: ControllerPorts) {
    const own = { ...given, dispatch: (event: ControllerEvent) => this.dispatch(event) };
    const admission = new Admission(own, (peer) => own.machine.state.keys.has(peer));
    const ports: SharedPorts = {
      ...own,
      admission,
      replies: new Replies(),
      followers: new Followers(),
      checkpoints: new CheckpointRounds(own),
      logs: new LogServer(own, admission),
      backlog: new Map(),
    };
    this.#given = given;
    this.#ports = ports;
    const { inquiry, replies, dispatch } = ports;
    this.backlog = ports.backlog;
    this.checkpoints = ports.checkpoints;
    this.logs = ports.logs;
    this.#feed = new FeedServer(ports);
    this.#leases = new LeaseServer(ports);
    this.#answers = new AnswerServer(ports);
    this.#publisher = new Publisher(ports, this.#feed);
    this.#witnesses = new VerdictWitnesses(ports);
    this.#storePins = ports.stores && new StorePins(ports, ports.stores);
    inquiry.take = dispatch;
    inquiry.signed = (...given) => takeSigned(ports, ...given);
    this.cancel = (asked) => cancelRun(ports, asked);
    inquiry.revoke = async (revocation) =>
      void (await replies.ask((token) => dispatch({ kind: 'revoke', token, revocation })));
    this.served = [
      this.#feed.served,
      this.#whenOpen(this.#leases.served),
      this.#whenOpen(this.#answers.served),
      this.logs.served,
      new ApiServer(ports).served,
      revocationServer({ ...knownTo(ports), checkpoint: () => this.checkpoints.current?.note }),
    ];
  }

  /** Asks the members, takes what the journal lacks, starts the machine. @throws those of `CheckpointRounds.load` and `StartInquiry.run`. */
  async begin(started: EventOf<'started'>): Promise<void> {
    const { inquiry, dispatch } = this.#given;
    const missing = await inquiry.run(started.charter, await this.checkpoints.load());
    this.#hasAsked = true;
    if (missing !== undefined) {
      await dispatch(missing);
      await this.checkpoints.load();
    }
    await dispatch({ ...started, charter: inquiry.charter ?? started.charter });
    inquiry.open();
    this.#start();
  }

  /** As `Loop.dispatch`, once this life has begun. Until then whoever asks for something is kept waiting, and refused after a while. */
  async dispatch(event: ControllerEvent): Promise<void> {
    const { inquiry, dispatch } = this.#given;
    const token = 'token' in event ? event.token : undefined;
    // Events without a token are dropped while members are asked, and taken from the first event of this life on.
    if (!inquiry.isOpen && token === undefined) return this.#hasAsked ? dispatch(event) : undefined;
    if (inquiry.isOpen || (await this.#begins())) return dispatch(event);
    const { code, message, hint } = askingError(inquiry);
    if (token !== undefined) this.#ports.replies.answer(token, { kind: 'error', code, message, hint });
  }

  /** Streams on which this controller signs wait for the start; they are reset where it takes long, and opened again. */
  #whenOpen(served: ServedProtocol): ServedProtocol {
    const { inquiry } = this.#given;
    return {
      ...served,
      session: async (channel) => {
        if (inquiry.isOpen || (await this.#begins())) return served.session(channel);
        channel.abort(askingError(inquiry));
      },
    };
  }

  /** Whether this life begins within `startWaitMs`. */
  async #begins(): Promise<boolean> {
    const { inquiry, clock } = this.#given;
    await Promise.race([inquiry.opened, pause(clock, sessionLimits.startWaitMs)]);
    return inquiry.isOpen;
  }

  #start(): void {
    const { clock } = this.#ports;
    const tell = (checkpoint: WitnessedCheckpoint, ended: boolean) =>
      this.#run('witnesses', this.#witnesses.check(checkpoint, ended));
    // The checkpoint of the life before. Its round is over; a witness that comes back may still sign.
    const { current } = this.checkpoints;
    this.checkpoints.start(this.#feed, {
      isUrgent: () => this.#witnesses.waiting,
      grown: (checkpoint) => tell(checkpoint, false),
      ended: (checkpoint) => {
        tell(checkpoint, true);
        this.#run('checkpoint', this.#publisher.checkpoint(checkpoint));
      },
    });
    if (current === undefined) return;
    tell(current, false);
    clock.after(sessionLimits.lateWitnessMs, () => {
      if (this.checkpoints.current?.size === current.size) tell(this.checkpoints.current, true);
    });
  }

  perform(effect: ControllerEffect): void {
    // The log grows with an event, and its effects follow.
    this.checkpoints.look();
    switch (effect.kind) {
      case 'raise':
        return void this.#ports.dispatch(effect.event);
      case 'reply':
        return this.#ports.replies.answer(effect.token, effect.reply);
      case 'offer':
        return this.#run('offer', this.#publisher.offer(effect.run, effect.offer));
      case 'unoffer':
        return this.#publisher.withdraw(effect.offer);
      case 'reveal':
        return this.#leases.reveal(effect.lease);
      case 'release':
        return this.#leases.release(effect.lease, effect.code, effect.message);
      case 'pin':
        return this.#storePins === undefined ? this.#ports.pin(effect) : this.#storePins.ask(effect);
      case 'keep':
        return this.#ports.keep(effect);
      case 'cosign':
        return this.#run('cosign', this.#leases.cosign(effect.run, effect.lease));
      case 'cosign-answers':
        return this.#answers.look();
      case 'verdict':
        return this.#run('verdict', this.#publisher.verdict(effect.run));
      case 'recall':
        return this.#run('recall', this.#recall(effect.run));
      case 'revocation':
        this.#run('signed', tellGivenBack(this.#ports));
        return this.#run('revocation', this.#publisher.revocation(effect.id));
      case 'progress':
        this.#run('bundle', this.#publisher.proofLost(effect));
        return this.#ports.followers.notify(effect.run);
      default:
        return unreachable(effect, 'controller effect');
    }
  }

  /** Reads what a run that has ended is made of. Where that is not to be had, the run stays as it ended. */
  async #recall(run: string): Promise<void> {
    const { dispatch, signing } = this.#ports;
    const documents = await documentsOfRun(this.#ports, run).catch((error: unknown) => {
      if (!this.#ports.clock.closing)
        this.#ports.tell('warn', 'recall', `a run is not built again: ${messageOf(error)}`, { run });
      return null;
    });
    if (!this.#ports.clock.closing)
      await dispatch({ kind: 'recalled', run, entropy: signing.nonce(), documents });
  }

  /** Tells present workers the charter in force, also before another key takes over. Waits at most `tellMs` for slow ones. */
  async tellCharter(): Promise<void> {
    await Promise.race([this.#feed.tellCharter(), pause(this.#ports.clock, sessionTimes.tellMs)]);
  }

  /** Resolves once the bundles that are being stored are, or after `storeMs`. */
  async storing(): Promise<void> {
    await Promise.race([this.#publisher.storing(), pause(this.#ports.clock, sessionTimes.storeMs)]);
  }

  /** Makes the bundle of a run again where it was lost. @throws `BUNDLE_BUSY`, `CONTROLLER_ASKING`, those of `Publisher.makeAgain`. */
  async makeAgain(run: string): Promise<void> {
    const { inquiry, lost } = this.#given;
    if (!lost.has(run)) return;
    if (!inquiry.isOpen && !(await this.#begins())) throw askingError(inquiry);
    const made = this.#publisher.makeAgain(run).then(() => true);
    if ((await Promise.race([made, pause(this.#ports.clock, sessionTimes.storeMs)])) === true) return;
    made.catch(() => {});
    throw new QuorateError('BUNDLE_BUSY', 'many bundles were lost and are made again; try again in a moment');
  }

  /** Begins the work of a life in the background; `names`: bundles that are stored. */
  async startWork(names: ReadonlySet<string>): Promise<void> {
    const kept = await this.#publisher.restore(names);
    this.#run('signed', tellGivenBack(this.#ports));
    await Promise.all([this.#announceAgain(kept), this.#makeAllAgain()]);
  }

  #announceAgain(kept: ReadonlySet<string>): Promise<void> {
    const { machine, lost } = this.#ports;
    const artifactOfLost = (id: string): string[] => {
      const run = machine.state.index.get(id);
      const artifact = run === undefined ? null : artifactIn(run, publishedOf(run)?.verdict.outcome);
      return artifact !== null && provingRun(machine.state, artifact)?.id === id ? [artifact] : [];
    };
    const artifacts = [...[...kept].filter(isArtifact), ...lost.runs.flatMap(artifactOfLost)];
    return announceAgain(this.#ports, new Set(artifacts));
  }

  /** One after the other, slowly: whoever asks for one gets it before its turn. */
  async #makeAllAgain(): Promise<void> {
    const { clock, lost, tell } = this.#ports;
    const runs = lost.runs.filter((run) => lost.has(run));
    let failed = 0;
    for (const run of runs) {
      await this.#publisher.makeAgain(run).catch((error: unknown) => {
        if (failed++ === 0 && !clock.closing)
          tell('warn', 'bundle', `a bundle that was lost is not made again: ${messageOf(error)}`, { run });
      });
      await pause(clock, sessionLimits.betweenLostBundlesMs);
      if (clock.closing) return;
    }
    const made = runs.length - failed;
    if (made > 0) tell('info', 'bundle', `${made} bundles that were lost are there again`, { runs: made });
  }

  #run(what: string, work: Promise<unknown>): void {
    const { clock, tell } = this.#ports;
    work.catch((error) => {
      if (!clock.closing) tell('warn', what, `${what}: ${messageOf(error)}`);
    });
  }
}

/** Ids of runs are hexadecimal, those of jobs and artifacts CIDs; an artifact is a tree (dag-pb or raw). */
const isArtifact = (name: string): boolean => name.startsWith('bafy') || name.startsWith('bafk');
