import { codeOf, messageOf } from '../../protocol/base/errors.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { decodeBundle, sha256Hex } from '../../protocol/documents/index.ts';
import { cosignersOf } from '../../protocol/judge/policy.ts';
import { announceAgain } from '../../protocol/sessions/announce-again.ts';
import { requestBundle, type StoredBundles } from '../../protocol/sessions/bundle-exchange.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import { laterMs } from '../../protocol/sessions/mirrors.ts';
import type { PeerAddress } from '../../protocol/sessions/ports.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import { isCheap, verifyBundle } from '../../protocol/trust/index.ts';
import type { WorkerEffect } from '../machine/events.ts';
import type { LogWitness } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';

/** Waits between two requests for a bundle; the last one repeats. */
const retryMs = [2_000, 2_000, 5_000, 15_000] as const;
const triesMax = 200;

/** A verdict on an artifact, as a notice tells of it. */
export interface VerdictOn {
  readonly artifact: string;
  readonly level: string;
  /** See `VerdictNotice`. */
  readonly mirrors: readonly string[] | undefined;
  readonly request: string;
}

/** A bundle that this worker co-signed, as text, and what it is the bundle of. */
interface Cosigned {
  readonly request: string;
  readonly job: string;
  readonly bundle: string;
}

/**
 * After the reveal: publishes what was built, and serves the bundle of its verdict. A mirror of the artifact fetches the bundle as
 * soon as there is one; any other worker when it is asked for it, and else a minute or two later. A trusted worker has the bundle that it co-signed.
 */
export class Publication {
  readonly #ports: WorkerPorts;
  readonly #witness: LogWitness;
  /** Served artifacts whose bundle may still get better. */
  readonly #waiting = new Set<string>();
  /** Hash of the bundle held, by artifact, of those that wait for a better one. */
  readonly #held = new Map<string, string>();
  /** Requests under way, by artifact. */
  readonly #learning = new Map<string, Promise<void>>();
  /** Monotonic time of publication, by root: the controller may not have fetched it yet. */
  readonly #new = new Map<string, number>();
  /** The latest level that was heard of an artifact: a count that grows, so that an older wait ends. */
  readonly #heard = new Map<string, number>();
  /** By lease id, until it is revealed or dropped. */
  readonly #cosigned = new Map<string, Cosigned>();
  /** Request whose bundle was stored without fetching it, by artifact: the latest of each. */
  readonly #own = new Map<string, string>();
  /** Served artifacts whose bundle is fetched later. */
  readonly #later = new Set<string>();
  /** Monotonic time of the last request that was made because somebody asked, by artifact. */
  readonly #asked = new Map<string, number>();

  constructor(ports: WorkerPorts, witness: LogWitness) {
    this.#ports = ports;
    this.#witness = witness;
  }

  /** Publishes the results of a lease, then dispatches `published`. May be repeated after a crash. */
  async publish(effect: Extract<WorkerEffect, { kind: 'publish' }>): Promise<void> {
    try {
      await this.#publish(effect);
    } finally {
      this.dropped(effect.lease);
    }
  }

  async #publish({ lease, artifact, log, test }: Extract<WorkerEffect, { kind: 'publish' }>): Promise<void> {
    const { results, tell, dispatch, clock } = this.#ports;
    await results.publish(lease);
    const roots = [log, artifact].filter((root) => root !== null);
    for (const root of roots) this.#new.set(root, clock.monotonic());
    try {
      await results.pin(roots);
    } catch (error) {
      if (codeOf(error) !== 'STORE_BLOCK_MISSING') throw error;
      await dispatch({ kind: 'published', lease });
      tell('warn', 'publish', `a result of before is not here any more: ${messageOf(error)}`);
      return;
    }
    await dispatch({ kind: 'published', lease });
    // The bundle of a test proves no artifact.
    if (artifact === null || test) return;
    tell('info', 'published', `the round is over; serving ${artifact}`, { artifact });
    const cosigned = this.#cosigned.get(lease);
    if (cosigned !== undefined) return this.#keepOwn(artifact, cosigned);
    this.#waiting.add(artifact);
    void this.#poll(artifact);
  }

  /** This worker checked the evidence and co-signed: what is published after the reveal of the lease need not be fetched. */
  cosigned(lease: string, { request, job, bundle }: Cosigned): void {
    this.#cosigned.set(lease, { request, job, bundle });
  }

  /** The lease is over: what it was co-signed for is kept, or is not needed. */
  dropped(lease: string): void {
    this.#cosigned.delete(lease);
  }

  async #keepOwn(artifact: string, { request, job, bundle }: Cosigned): Promise<void> {
    const { bundles, tell } = this.#ports;
    this.#own.set(artifact, request);
    await bundles.put({ run: request, job, artifact }, bundle);
    void this.#announce(artifact);
    tell('info', 'proof', `holds the proof for ${artifact}: trusted`, { artifact, level: 'trusted' });
    this.#stopWaiting(artifact);
  }

  /** Whether the bundle of this request is here, or will be once its lease is revealed. */
  #isOwn(artifact: string, request: string): boolean {
    if (this.#own.get(artifact) === request) return true;
    return [...this.#cosigned.values()].some((cosigned) => cosigned.request === request);
  }

  /** True for a root that the controller may still have to fetch: it is kept whatever room it takes. */
  isNew(root: string): boolean {
    const now = this.#ports.clock.monotonic();
    for (const [one, at] of this.#new)
      if (now - at > sessionLimits.resultHeldSecondsMin * 1000) this.#new.delete(one);
    return this.#new.has(root);
  }

  /** The root is not served any more. */
  forget(root: string): void {
    this.#own.delete(root);
    this.#stopWaiting(root);
  }

  #stopWaiting(artifact: string): void {
    this.#waiting.delete(artifact);
    this.#held.delete(artifact);
    this.#asked.delete(artifact);
  }

  /** The bundles that this worker holds or can get for whoever asks. */
  serving(bundles: StoredBundles): StoredBundles {
    const sure = async (which: string): Promise<void> => {
      if (this.#isDue(which) && (await bundles.size(which)) === undefined) await this.#learn(which);
    };
    return {
      get: (which) => sure(which).then(() => bundles.get(which)),
      size: (which) => bundles.size(which),
    };
  }

  /** Whether the bundle of this artifact is still to be fetched, and was not asked for just now. */
  #isDue(artifact: string): boolean {
    if (!this.#later.has(artifact) && !this.#waiting.has(artifact)) return false;
    const now = this.#ports.clock.monotonic();
    const asked = this.#asked.get(artifact) ?? Number.NEGATIVE_INFINITY;
    if (now - asked < sessionLimits.askedAgainMs) return false;
    this.#asked.set(artifact, now);
    return true;
  }

  /** Announces the artifacts of earlier lives of this process. */
  async announceArtifacts(): Promise<void> {
    await announceAgain(this.#ports, await this.#ports.bundles.artifacts());
  }

  /** A verdict was heard of: fetches its bundle, where the artifact is served here. */
  async onVerdict({ artifact, level, mirrors, request }: VerdictOn): Promise<void> {
    const { results, clock, signing } = this.#ports;
    if (level === 'trusted' && this.#isOwn(artifact, request)) return;
    if (!this.#waiting.has(artifact) && !(await results.has(artifact))) return;
    if (mirrors !== undefined && !mirrors.includes(signing.signer.id)) return this.#fetchLater(artifact);
    const turn = (this.#heard.get(artifact) ?? 0) + 1;
    this.#heard.set(artifact, turn);
    if (level !== 'trusted') await pause(clock, sessionTimes.agreedMs);
    const overtaken = this.#heard.get(artifact) !== turn;
    if (!overtaken) this.#heard.delete(artifact);
    if (overtaken || clock.closing) return;
    // A bundle that was asked for before may be the one before.
    await this.#learning.get(artifact);
    await this.#learn(artifact);
  }

  /** One wait for all verdicts on the artifact until it ends. */
  async #fetchLater(artifact: string): Promise<void> {
    const { results, clock, signing } = this.#ports;
    this.#waiting.delete(artifact);
    if (this.#later.has(artifact)) return;
    this.#later.add(artifact);
    await pause(clock, laterMs(artifact, signing.signer.id));
    this.#later.delete(artifact);
    if (clock.closing || !(await results.has(artifact))) return this.#stopWaiting(artifact);
    this.#waiting.add(artifact);
    await this.#learn(artifact);
    void this.#poll(artifact);
  }

  /** Gossip may have missed this worker. */
  async #poll(artifact: string): Promise<void> {
    const { clock } = this.#ports;
    for (let tried = 0; this.#waiting.has(artifact) && !clock.closing && tried < triesMax; tried++) {
      await pause(clock, retryMs[Math.min(tried, retryMs.length - 1)] ?? 0);
      if (this.#waiting.has(artifact) && !clock.closing) await this.#learn(artifact);
    }
  }

  /** One request at a time for each artifact. Never rejects. */
  #learn(artifact: string): Promise<void> {
    const running = this.#learning.get(artifact);
    if (running !== undefined) return running;
    const learning = this.#ask(artifact).finally(() => this.#learning.delete(artifact));
    this.#learning.set(artifact, learning);
    return learning;
  }

  async #ask(artifact: string): Promise<void> {
    const { credentials, clock, tell } = this.#ports;
    for (const controller of credentials.membership.controllers) {
      try {
        if (await this.#learnFrom(controller, artifact)) return;
      } catch (error) {
        if (!clock.closing) tell('warn', 'bundle', `no bundle for ${artifact} yet: ${messageOf(error)}`);
      }
    }
  }

  async #learnFrom(controller: PeerAddress, artifact: string): Promise<boolean> {
    const { credentials, bundles, dial, signing, tell } = this.#ports;
    const { documents } = signing;
    const text = await requestBundle(dial, controller, artifact);
    if (text === undefined) return false;
    const hash = () => sha256Hex(toUtf8(text));
    // Most are asked for once.
    if (this.#held.has(artifact) && this.#held.get(artifact) === hash()) return true;
    const bundle = decodeBundle(text);
    const { project } = credentials.membership;
    const verification = await verifyBundle(bundle, { project, artifact }, documents.verifier);
    const { ok, facts, level, code } = verification;
    if (!ok || facts === null) {
      tell('warn', 'bundle', `the controller's bundle for ${artifact} does not hold (${code ?? ''})`);
      return false;
    }
    // One of an earlier charter may be of another log.
    if (bundle.charter === credentials.membership.charter) void this.#witness.hear(() => bundle.checkpoint);
    const { payload } = await documents.verdict(bundle.verdict);
    const { request, job, policy, level: stated, outcome } = payload.predicate.quorate_verdict;
    if (level !== 'trusted' && (await this.#isTrusted(request, artifact))) {
      this.#stopWaiting(artifact);
      return true;
    }
    await bundles.put({ run: request, job, artifact }, text);
    void this.#announce(artifact);
    tell('info', 'proof', `holds the proof for ${artifact}: ${level}`, { artifact, level });
    // Untrusted inputs hold the level of an artifact down, whatever its own verdict says.
    const isCheapOne = cosignersOf(policy) === 0 && outcome !== null && isCheap(outcome);
    if (stated === 'trusted' || isCheapOne) this.#stopWaiting(artifact);
    else if (this.#waiting.has(artifact)) this.#held.set(artifact, hash());
    return true;
  }

  /** Whether the bundle that is held of a run proves it trusted. One of before does not replace it: the controller's journal may be an older copy. */
  async #isTrusted(request: string, artifact: string): Promise<boolean> {
    const { bundles, credentials, revocations, signing } = this.#ports;
    const expected = { project: credentials.membership.project, artifact, revocations: revocations.revoked };
    try {
      const held = await bundles.get(request);
      if (held === undefined) return false;
      const { ok, level } = await verifyBundle(decodeBundle(held), expected, signing.documents.verifier);
      return ok && level === 'trusted';
    } catch {
      // It is damaged: what comes replaces it.
      return false;
    }
  }

  async #announce(artifact: string): Promise<void> {
    const { announce, tell } = this.#ports;
    await announce(artifact).catch((error) => tell('warn', 'provide', messageOf(error)));
  }
}
