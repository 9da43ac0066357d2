import { setTimeout as sleep } from 'node:timers/promises';
import { decodeBundle, openStatement } from '../../core/documents/index.ts';
import { codeOf, messageOf } from '../../core/errors.ts';
import { verifyBundle } from '../../core/trust/index.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { announce } from '../artifacts/announce.ts';
import { askBundle } from '../artifacts/bundles.ts';
import { areaOf, type WorkerContext } from './context.ts';
import { workerNodeLimits } from './limits.ts';

const retryMs = [2_000, 2_000, 5_000, 15_000];
const agreedMs = 1_000;

/** After the reveal: serves the bytes, and as soon as there is a verdict also the bundle that says why to trust them. */
export class Serving {
  readonly #context: WorkerContext;
  /** Artifacts served here whose bundle may still get better. */
  readonly #waiting = new Set<string>();
  /** What was published lately, and when: the controller may not have it yet. */
  readonly #new = new Map<string, number>();
  /** Those of which it was told that they are agreed, a moment ago. */
  readonly #agreed = new Map<string, AbortController>();

  constructor(context: WorkerContext) {
    this.#context = context;
  }

  /** What was built for a lease becomes public. May be repeated after a crash. */
  async publish(lease: string, artifact: string | null, log: string | null): Promise<void> {
    const { store, tell, dispatch } = this.#context;
    await store.publish(store.sealed(areaOf(lease)));
    const roots = [log, artifact].filter((root) => root !== null);
    for (const root of roots) this.#new.set(root, performance.now());
    try {
      await store.pin(roots, lease);
    } catch (error) {
      if (codeOf(error) !== 'STORE_BLOCK_MISSING') throw error;
      dispatch({ kind: 'published', lease });
      tell('warn', 'publish', `a result of before is not here any more: ${messageOf(error)}`);
      return;
    }
    dispatch({ kind: 'published', lease });
    if (artifact === null) return;
    tell('info', 'published', `the round is over; serving ${artifact}`, { artifact });
    this.#waiting.add(artifact);
    void this.#poll(artifact);
  }

  async discard(lease: string): Promise<void> {
    const { store } = this.#context;
    await store.discard(store.sealed(areaOf(lease)));
  }

  /** Whether it must be there to be fetched, whatever room it takes. */
  isNew(root: string): boolean {
    for (const [one, at] of this.#new)
      if (performance.now() - at > workerNodeLimits.resultHeldSecondsMin * 1000) this.#new.delete(one);
    return this.#new.has(root);
  }

  /** It is served no more. */
  forget(root: string): void {
    this.#waiting.delete(root);
  }

  /** Artifacts of earlier runs of this process are announced again. */
  async resume(): Promise<void> {
    for (const artifact of await this.#context.bundles.artifacts()) await this.#provide(artifact);
  }

  /** An agreement is mostly followed by its co-signature at once: then one bundle is fetched and checked, not two. */
  async onVerdict(artifact: string, level: string): Promise<void> {
    const { signal, store } = this.#context;
    if (!this.#waiting.has(artifact) && !(await store.has(artifact))) return;
    this.#agreed.get(artifact)?.abort();
    if (level !== 'trusted') {
      const overtaken = new AbortController();
      this.#agreed.set(artifact, overtaken);
      await sleep(agreedMs, undefined, { signal: AbortSignal.any([signal, overtaken.signal]) }).catch(
        () => {},
      );
      if (this.#agreed.get(artifact) === overtaken) this.#agreed.delete(artifact);
      if (overtaken.signal.aborted) return;
    }
    await this.#learn(artifact);
  }

  /** Gossip may have missed us. */
  async #poll(artifact: string): Promise<void> {
    const { signal } = this.#context;
    for (let tried = 0; this.#waiting.has(artifact) && !signal.aborted && tried < 200; tried++) {
      const ms = retryMs[Math.min(tried, retryMs.length - 1)];
      await sleep(ms, undefined, { signal }).catch(() => {});
      if (this.#waiting.has(artifact) && !signal.aborted) await this.#learn(artifact);
    }
  }

  async #learn(artifact: string): Promise<void> {
    const { mesh, credentials, bundles, signal, tell } = this.#context;
    const { project, controllers } = credentials.membership;
    for (const controller of controllers) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(20_000)]);
        const text = await askBundle(mesh, controller, artifact, limit);
        if (text === undefined) continue;
        const bundle = decodeBundle(text);
        const verification = await verifyBundle(bundle, { project, artifact }, joseVerifier);
        if (!verification.ok || verification.facts === null) {
          tell(
            'warn',
            'bundle',
            `the controller's bundle for ${artifact} does not hold (${verification.code ?? ''})`,
          );
          continue;
        }
        const { payload } = await openStatement('verdict', bundle.verdict, joseVerifier);
        const { request, job } = payload.predicate.quorate_verdict;
        await bundles.put({ run: request, job, artifact }, text);
        await this.#provide(artifact);
        tell('info', 'proof', `holds the proof for ${artifact}: ${verification.level}`, {
          artifact,
          level: verification.level,
        });
        if (verification.level === 'trusted') this.#waiting.delete(artifact);
        return;
      } catch (error) {
        if (!signal.aborted) tell('warn', 'bundle', `no bundle for ${artifact} yet: ${messageOf(error)}`);
      }
    }
  }

  async #provide(artifact: string): Promise<void> {
    const { mesh, tell, signal } = this.#context;
    await announce(mesh, artifact, signal).catch((error) => tell('warn', 'provide', messageOf(error)));
  }
}
