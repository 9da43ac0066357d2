import { assert, codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import { refusalOfAgain } from '../machine/again.ts';
import { pullChanges, refChanges, type SeenPulls, unlisted } from '../machine/changes.ts';
import type { WatchEffect, WatchEvent } from '../machine/events.ts';
import { watchLimits } from '../machine/limits.ts';
import { perform } from './effects.ts';
import { EvidenceChecker, saidTrusted } from './evidence-checker.ts';
import { watchSessionLimits } from './limits.ts';
import type { WatchClient, WatchedForge, WatchPorts } from './ports.ts';
import { openRuns, standsOf } from './run-states.ts';

/** Does something again and again, one after the other; `poke` has it done at once, or once it has rested. */
export class Repeater {
  readonly #clock: Pick<Clock, 'after' | 'monotonic'>;
  readonly #act: () => Promise<number>;
  readonly #failed: (error: unknown) => void;
  readonly #restMs: number;
  /** Monotonic time until which it rests, however often it is poked. */
  #restsUntil = Number.NEGATIVE_INFINITY;
  #cancel = () => {};
  #running: Promise<void> | undefined;
  /** It is done once more, as soon as what goes on has ended. */
  #again = false;
  #closed = false;

  /** `act` returns ms until the next time; once it rejects it is not repeated. `restMs`: least time between two beginnings. */
  constructor(
    clock: Pick<Clock, 'after' | 'monotonic'>,
    act: () => Promise<number>,
    failed: (error: unknown) => void,
    restMs = 0,
  ) {
    [this.#clock, this.#act, this.#failed, this.#restMs] = [clock, act, failed, restMs];
  }

  poke(): void {
    if (this.#closed) return;
    this.#cancel();
    if (this.#running !== undefined) {
      this.#again = true;
      return;
    }
    const now = this.#clock.monotonic();
    if (now < this.#restsUntil) return this.#pokeAfter(this.#restsUntil - now);
    this.#restsUntil = now + this.#restMs;
    this.#running = this.#act()
      .then((ms) => {
        this.#running = undefined;
        if (this.#closed) return;
        const wait = this.#again ? 0 : ms;
        this.#again = false;
        this.#pokeAfter(wait);
      })
      .catch((error: unknown) => {
        this.#closed = true;
        this.#failed(error);
      });
  }

  #pokeAfter(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => this.poke());
  }

  /** Waits for what goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }
}

/** How often the controller is asked for runs that are open, and for those that are over, in milliseconds. */
const standMs = { open: 2_000, over: 60_000 };

/** Looks, gives the machine what changed, and carries out its effects. Calls: `start` after the replay, `perform` an effect, `close`. */
export class Watcher<C extends WatchClient = WatchClient> {
  readonly #ports: WatchPorts<C>;
  readonly #running = new Set<Promise<void>>();
  readonly #looks: Repeater;
  readonly #stands: Repeater;
  readonly #proofs: Repeater;
  readonly #evidence: EvidenceChecker;
  #closed = false;
  #failures = 0;
  readonly #troubles = new Map<'source' | 'controller', string>();
  #looked = { refs: -1, pulls: -1 };
  /** Of the forge's list of pull requests: where the next look goes on. */
  #page: number | undefined;
  /** Runs that the controller was asked for one by one; all of them in turn. */
  readonly #asked = new Set<string>();
  /** By pull request: when the forge was asked whether it is open, by the steady clock. */
  readonly #askedAt = new Map<number, number>();

  constructor(ports: WatchPorts<C>) {
    this.#ports = ports;
    const { clock, machine, pollMs, verifier } = ports;
    this.#looks = new Repeater(
      clock,
      async () => {
        const isWhole = await this.#lookOnce();
        if (isWhole) this.#troubles.delete('source');
        this.#failures = isWhole ? 0 : this.#failures + 1;
        return Math.max(pollMs, Math.min(pollMs * 2 ** Math.min(this.#failures, 10), watchLimits.retryMsMax));
      },
      this.#failed,
      Math.min(pollMs, watchSessionLimits.lookMsMin),
    );
    const stands = async () => {
      await this.#standsOnce();
      return openRuns(machine.state).length > 0 ? standMs.open : standMs.over;
    };
    this.#stands = new Repeater(clock, stands, this.#failed);
    this.#evidence = new EvidenceChecker({
      verifier,
      steady: () => clock.monotonic(),
      found: (run, proof) => this.#dispatch({ kind: 'proof', run, proof }),
    });
    const proofs = async () => {
      await this.#proofsOnce();
      return this.#evidence.isBusy(saidTrusted(machine.state)) ? standMs.open : standMs.over;
    };
    this.#proofs = new Repeater(clock, proofs, this.#failed);
  }

  /** Ready while repository, forge and controller answer. */
  get health() {
    const of = (name: 'source' | 'controller') => ({ name, trouble: () => this.#troubles.get(name) });
    return { live: [], ready: [of('source'), of('controller')] };
  }

  /** Goes on with what is outstanding, and looks at the repository at once. */
  async start(): Promise<void> {
    const configured = this.#dispatch({ kind: 'configured', settings: this.#ports.settings });
    const started = this.#dispatch({ kind: 'started' });
    for (const one of [this.#looks, this.#stands, this.#proofs]) one.poke();
    await Promise.all([configured, started]);
  }

  async #dispatch(event: WatchEvent): Promise<void> {
    if (!this.#closed) await this.#ports.dispatch(event);
  }

  perform(effect: WatchEffect): void {
    if (effect.kind === 'poll') return this.#looks.poke();
    if (effect.kind === 'taken') return this.#taken(effect.event);
    this.#track(
      perform(effect, this.#ports).then(async (event) => {
        if (event !== undefined) await this.#dispatch(event);
      }),
    );
  }

  #taken(event: WatchEvent): void {
    this.#ports.compact();
    this.#ports.onEvent(event);
    if (event.kind === 'published') this.#stands.poke();
    if (event.kind === 'stands') this.#proofs.poke();
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch(this.#failed).finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** A mistake of ours: the watcher ends, and what is outstanding is done by the next one. */
  readonly #failed = (error: unknown): void => {
    if (this.#closed || this.#ports.clock.closing) return;
    this.#closed = true;
    this.#ports.onFailure(error);
  };

  /** Whether all that is to be looked at was seen. */
  async #lookOnce(): Promise<boolean> {
    const { forge, machine, settings } = this.#ports;
    const pullRefs = settings.pulls === undefined ? undefined : forge?.pullRefs;
    try {
      const patterns = ['refs/heads/*', 'refs/tags/*', ...(pullRefs === undefined ? [] : [pullRefs])];
      const refs = await this.#ports.refs(patterns);
      const event = refChanges(machine.state, refs);
      if (event !== undefined) await this.#dispatch(event);
      if (forge === undefined || pullRefs === undefined) {
        this.#tellLooked(refs.size, 0);
        return true;
      }
      const open = await forge.openPulls(this.#page);
      this.#page = open.next;
      await Promise.all(pullChanges(machine.state, open, refs, pullRefs).map((one) => this.#dispatch(one)));
      await this.#closeOthers(forge, open);
      this.#tellLooked(refs.size, open.pulls.length);
      return true;
    } catch (error) {
      this.#tellFailure(error, codeOf(error).startsWith('FORGE_') ? 'forge' : 'repository');
      return false;
    }
  }

  /** Asks of those that a part of the list did not hold, a few at a time, whether they are open still. */
  async #closeOthers(forge: WatchedForge, open: SeenPulls): Promise<void> {
    const { state } = this.#ports.machine;
    for (const pull of this.#askedAt.keys()) if (!state.pulls.has(pull)) this.#askedAt.delete(pull);
    for (const pull of unlisted(state, open, this.#askedAt)) {
      this.#askedAt.set(pull, this.#ports.clock.monotonic());
      const isOpen = await forge.isOpen(pull).catch((error: unknown) => {
        if (codeOf(error) !== 'FORGE_NOT_FOUND') throw error;
        return false;
      });
      if (!isOpen) await this.#dispatch({ kind: 'pull-closed', pull });
    }
  }

  /** Once, as long as it comes to the same. */
  #tellLooked(refs: number, pulls: number): void {
    const { refs: before, pulls: pullsBefore } = this.#looked;
    if (refs === before && pulls === pullsBefore) return;
    this.#looked = { refs, pulls };
    this.#ports.onEvent({ kind: 'looked', refs, pulls });
  }

  #tellFailure(error: unknown, what: 'repository' | 'forge' | 'controller'): void {
    if (this.#closed || this.#ports.clock.closing) return;
    this.#troubles.set(what === 'controller' ? what : 'source', `${codeOf(error)}: ${messageOf(error)}`);
    if (what !== 'controller') this.#looked = { refs: -1, pulls: -1 };
    this.#ports.onEvent({ kind: 'look-failed', what, code: codeOf(error), message: messageOf(error) });
  }

  async #standsOnce(): Promise<void> {
    const { state } = this.#ports.machine;
    if (state.publications.size === 0) return;
    try {
      const stands = await this.#ports.connection.use((client) => standsOf(client, state, this.#asked));
      this.#troubles.delete('controller');
      if (stands.length > 0) await this.#dispatch({ kind: 'stands', stands });
    } catch (error) {
      this.#tellFailure(error, 'controller');
    }
  }

  async #proofsOnce(): Promise<void> {
    const wanted = saidTrusted(this.#ports.machine.state);
    if (wanted.length === 0) return;
    try {
      await this.#ports.connection.use(({ source }) => this.#evidence.look(source, wanted));
    } catch (error) {
      if (/^(HOME|JOURNAL)_/.test(codeOf(error))) throw error;
      this.#tellFailure(error, 'controller');
    }
  }

  /** Decides on the commit of a pull request. @throws WATCH_PULL_UNKNOWN, WATCH_COMMIT_MISMATCH, those of the port `dispatch` */
  async decide(pull: number, commit: string, verdict: 'approved' | 'denied', by: string): Promise<void> {
    const known = this.#ports.machine.state.pulls.get(pull);
    if (known === undefined)
      throw new QuorateError('WATCH_PULL_UNKNOWN', `no open pull request ${pull} is known`, {
        hint: 'quorate watch approvals lists them.',
      });
    if (known.commit !== commit)
      throw new QuorateError(
        'WATCH_COMMIT_MISMATCH',
        `pull request ${pull} is at ${known.commit} by now, not at ${commit}`,
        { hint: 'Look at what it has now, then approve that commit.' },
      );
    await this.#ports.dispatch({ kind: 'decided', pull, commit, verdict, by });
  }

  /** Publishes a pipeline that is over again. @throws `WATCH_PIPELINE_…`, those of the port `dispatch` */
  async again(id: string, rebuild: boolean, by: string): Promise<void> {
    const refusal = refusalOfAgain(this.#ports.machine.state, id);
    if (refusal !== undefined) throw refusal;
    await this.#ports.dispatch({ kind: 'again', id, rebuild, by });
  }

  /** Takes a genuine webhook: the repository is looked at. @throws WEBHOOK_REPLAYED, those of the port `dispatch` */
  async hook({ delivery, digest }: { delivery: string; digest: string }): Promise<void> {
    if (this.#ports.machine.isReplay(delivery, digest))
      throw new QuorateError('WEBHOOK_REPLAYED', 'this webhook came before', {
        hint: 'Changes are seen by polling too.',
      });
    await this.#ports.dispatch({ kind: 'webhook', delivery, digest });
  }

  /** Waits for what goes on, which ends as the clock is closing. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#looks.close(), this.#stands.close(), this.#proofs.close()]);
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
  }
}

assert(standMs.open < standMs.over, 'what is open is looked at more often');
