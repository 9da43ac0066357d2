import type { Forge, OpenPulls, Webhook } from '../../forge/index.ts';
import { type Journal, openJournal, replayEach } from '../../journal/index.ts';
import type { HealthChecks } from '../../node/health.ts';
import { steadyTime } from '../../node/steady-time.ts';
import { assert, codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import type { RunVerifier } from '../../protocol/sessions/run-verifier.ts';
import { pullChanges, refChanges, unlisted } from '../machine/changes.ts';
import type { WatchEffect, WatchEvent } from '../machine/events.ts';
import { watchLimits } from '../machine/limits.ts';
import { WatchMachine } from '../machine/machine.ts';
import type { WatchSettings } from '../machine/rules.ts';
import { keptState } from '../machine/state.ts';
import { EvidenceChecker, saidTrusted } from '../sessions/evidence-checker.ts';
import { openRuns, standsOf } from '../sessions/run-states.ts';
import type { Connection } from './connection.ts';
import { perform } from './effects.ts';
import { watchNodeLimits } from './limits.ts';
import { Repeater } from './repeater.ts';
import type { WatchedRepository } from './repository.ts';

/** How often the controller is asked for runs that are open, and for those that are over, in milliseconds. */
const standMs = { open: 2_000, over: 60_000 };

/** Notices of a watcher, for people. */
export type WatchNotice =
  | WatchEvent
  | { kind: 'looked'; refs: number; pulls: number }
  | { kind: 'look-failed'; what: 'repository' | 'forge' | 'controller'; code: string; message: string };

export interface WatcherOptions {
  settings: WatchSettings;
  pollMs: number;
  project: string;
  /** The publisher's key, whose journal it is. */
  key: string;
  journal: string;
  home: string;
  env: NodeJS.ProcessEnv;
  repository: WatchedRepository;
  connection: Connection;
  verifier: RunVerifier;
  forge?: Forge | undefined;
  onEvent(notice: WatchNotice): void;
  /** The journal cannot be written: the watcher has to end. */
  onFailure(error: unknown): void;
  signal: AbortSignal;
}

/** Carries out what the machine says, and tells it what is seen. */
export class Watcher {
  readonly machine = new WatchMachine();
  readonly #options: WatcherOptions;
  readonly #journal: Journal<WatchEvent>;
  /** In the journal. */
  #events = 0;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #looks: Repeater;
  readonly #stands: Repeater;
  readonly #proofs: Repeater;
  readonly #evidence: EvidenceChecker;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  /** Why the last look at each of them failed. */
  readonly #troubles = new Map<'source' | 'controller', string>();
  #looked = { refs: -1, pulls: -1 };
  /** Of the forge's list of pull requests: where the next look goes on. */
  #page: number | undefined;
  /** Runs that the controller was asked for one by one; all of them in turn. */
  readonly #asked = new Set<string>();
  /** By pull request: when the forge was asked whether it is open, by the steady clock. */
  readonly #askedAt = new Map<number, number>();

  /** Opens the journal. Errors: `JOURNAL_…`. */
  constructor(options: WatcherOptions) {
    this.#options = options;
    const { journal, project, key } = options;
    this.#journal = openJournal<WatchEvent>(journal, {
      name: `watcher ${project} ${key}`,
      rules: WatchMachine.rules,
    });
    replayEach(this.#journal, (event, at) => {
      this.machine.handle(event, at);
      this.#events++;
    });
    this.#looks = new Repeater(
      async () => {
        const isWhole = await this.#lookOnce();
        if (isWhole) this.#troubles.delete('source');
        this.#failures = isWhole ? 0 : this.#failures + 1;
        return Math.max(
          options.pollMs,
          Math.min(options.pollMs * 2 ** Math.min(this.#failures, 10), watchLimits.retryMsMax),
        );
      },
      this.#failed,
      Math.min(options.pollMs, watchNodeLimits.lookMsMin),
    );
    this.#stands = new Repeater(async () => {
      await this.#standsOnce();
      return openRuns(this.machine.state).length > 0 ? standMs.open : standMs.over;
    }, this.#failed);
    this.#evidence = new EvidenceChecker({
      ...{ verifier: options.verifier, steady: steadyTime() },
      found: (run, proof) => this.handle({ kind: 'proof', run, proof }),
    });
    this.#proofs = new Repeater(async () => {
      await this.#proofsOnce();
      return this.#evidence.isBusy(saidTrusted(this.machine.state)) ? standMs.open : standMs.over;
    }, this.#failed);
  }

  get signal(): AbortSignal {
    return AbortSignal.any([this.#options.signal, this.#closing.signal]);
  }

  /** Ready while repository, forge and controller answer. */
  get health(): HealthChecks {
    const of = (name: 'source' | 'controller') => ({ name, trouble: () => this.#troubles.get(name) });
    return { live: [], ready: [of('source'), of('controller')] };
  }

  /** Goes on with what is outstanding, and looks at the repository at once. */
  start(): void {
    this.handle({ kind: 'configured', settings: this.#options.settings });
    this.handle({ kind: 'started' });
    this.#looks.poke();
    this.#stands.poke();
    this.#proofs.poke();
  }

  /** Gives the machine an event. What changed something is in the journal before an effect of it is carried out. */
  handle(event: WatchEvent): void {
    if (this.signal.aborted) return;
    const now = Date.now();
    const { effects, changed } = this.machine.handle(event, now);
    try {
      if (changed) {
        this.#journal.append(event, now);
        this.#journal.sync();
        this.#events++;
        if (this.#events > watchNodeLimits.journalEventsMax) this.#compact(now);
      }
    } catch (error) {
      return this.#failed(error);
    }
    if (changed) this.#options.onEvent(event);
    if (event.kind === 'published') this.#stands.poke();
    if (event.kind === 'stands') this.#proofs.poke();
    for (const effect of effects) this.#perform(effect);
    this.#arm();
  }

  #compact(now: number): void {
    this.#journal.replaceAll({ kind: 'state', state: keptState(this.machine.state) }, now);
    this.#events = 1;
  }

  #perform(effect: WatchEffect): void {
    if (effect.kind === 'poll') return this.#looks.poke();
    const { repository, connection, forge, home, env } = this.#options;
    const ports = { repository, connection, forge, home, env, signal: this.signal };
    this.#track(
      perform(effect, ports).then((event) => {
        if (event !== undefined) this.handle(event);
      }),
    );
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch(this.#failed).finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** A mistake of ours: the watcher ends, and what is outstanding is done by the next one. */
  readonly #failed = (error: unknown): void => {
    if (this.signal.aborted) return;
    this.#closing.abort(error);
    this.#options.onFailure(error);
  };

  #arm(): void {
    clearTimeout(this.#timer);
    const at = this.machine.wakeAt();
    if (at === undefined || this.signal.aborted) return;
    const ms = Math.min(Math.max(at - Date.now(), watchNodeLimits.tickMsMin), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.handle({ kind: 'tick' }), ms);
  }

  /** Whether all that is to be looked at was seen. */
  async #lookOnce(): Promise<boolean> {
    const { repository, forge, settings } = this.#options;
    const pullRefs = settings.pulls === undefined ? undefined : forge?.pullRefs;
    try {
      const patterns = ['refs/heads/*', 'refs/tags/*', ...(pullRefs === undefined ? [] : [pullRefs])];
      const refs = await repository.refs(patterns, this.signal);
      const event = refChanges(this.machine.state, refs);
      if (event !== undefined) this.handle(event);
      if (forge === undefined || pullRefs === undefined) {
        this.#tellLooked(refs.size, 0);
        return true;
      }
      const open = await forge.openPulls(this.signal, this.#page);
      this.#page = open.next;
      for (const change of pullChanges(this.machine.state, open, refs, pullRefs)) this.handle(change);
      await this.#closeOthers(forge, open);
      this.#tellLooked(refs.size, open.pulls.length);
      return true;
    } catch (error) {
      this.#tellFailure(error, codeOf(error).startsWith('FORGE_') ? 'forge' : 'repository');
      return false;
    }
  }

  /** Asks of those that a part of the list did not hold, a few at a time, whether they are open still. */
  async #closeOthers(forge: Forge, open: OpenPulls): Promise<void> {
    const { state } = this.machine;
    for (const pull of this.#askedAt.keys()) if (!state.pulls.has(pull)) this.#askedAt.delete(pull);
    for (const pull of unlisted(state, open, this.#askedAt)) {
      this.#askedAt.set(pull, performance.now());
      const isOpen = await forge.isOpen(pull, this.signal).catch((error: unknown) => {
        if (codeOf(error) !== 'FORGE_NOT_FOUND') throw error;
        return false;
      });
      if (!isOpen) this.handle({ kind: 'pull-closed', pull });
    }
  }

  /** Once, as long as it comes to the same. */
  #tellLooked(refs: number, pulls: number): void {
    const { refs: before, pulls: pullsBefore } = this.#looked;
    if (refs === before && pulls === pullsBefore) return;
    this.#looked = { refs, pulls };
    this.#options.onEvent({ kind: 'looked', refs, pulls });
  }

  #tellFailure(error: unknown, what: 'repository' | 'forge' | 'controller'): void {
    if (this.signal.aborted) return;
    this.#troubles.set(what === 'controller' ? what : 'source', `${codeOf(error)}: ${messageOf(error)}`);
    if (what !== 'controller') this.#looked = { refs: -1, pulls: -1 };
    this.#options.onEvent({ kind: 'look-failed', what, code: codeOf(error), message: messageOf(error) });
  }

  async #standsOnce(): Promise<void> {
    const { state } = this.machine;
    if (state.publications.size === 0) return;
    try {
      const stands = await this.#options.connection.use((client) => standsOf(client, state, this.#asked));
      this.#troubles.delete('controller');
      if (stands.length > 0) this.handle({ kind: 'stands', stands });
    } catch (error) {
      this.#tellFailure(error, 'controller');
    }
  }

  async #proofsOnce(): Promise<void> {
    const wanted = saidTrusted(this.machine.state);
    if (wanted.length === 0) return;
    try {
      await this.#options.connection.use(({ source }) => this.#evidence.look(source, wanted));
    } catch (error) {
      if (/^(HOME|JOURNAL)_/.test(codeOf(error))) throw error;
      this.#tellFailure(error, 'controller');
    }
  }

  /**
   * Decides on the commit of a pull request. Errors: `WATCH_PULL_UNKNOWN`, `WATCH_COMMIT_MISMATCH`.
   */
  decide(pull: number, commit: string, verdict: 'approved' | 'denied', by: string): void {
    const known = this.machine.state.pulls.get(pull);
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
    this.handle({ kind: 'decided', pull, commit, verdict, by });
  }

  /**
   * Takes a webhook that is of the forge: the repository is looked at. Errors: `WEBHOOK_REPLAYED`.
   */
  hook({ delivery, digest }: Webhook): void {
    if (this.machine.isReplay(delivery, digest))
      throw new QuorateError('WEBHOOK_REPLAYED', 'this webhook came before', {
        hint: 'Changes are seen by polling too.',
      });
    this.handle({ kind: 'webhook', delivery, digest });
  }

  /** Ends what goes on, and closes the journal. */
  async close(): Promise<void> {
    this.#closing.abort(new DOMException('the watcher ends', 'AbortError'));
    clearTimeout(this.#timer);
    await Promise.all([this.#looks.close(), this.#stands.close(), this.#proofs.close()]);
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
    this.#journal.close();
  }
}

assert(standMs.open < standMs.over, 'what is open is looked at more often');
