import { setTimeout as sleep } from 'node:timers/promises';
import type { Mesh, PeerAddress } from '../../mesh/index.ts';
import { announce } from '../../node/artifacts/announce.ts';
import { connectReachable } from '../../node/artifacts/fetch.ts';
import { providersFound } from '../../node/artifacts/members.ts';
import { pullArtifact } from '../../node/artifacts/transfer.ts';
import { codeOf, messageOf } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { dropOldest } from '../../protocol/base/maps.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { sizeText } from '../../protocol/base/quantity.ts';
import { isUnread, sayRevoked } from '../../protocol/trust/revocations.ts';
import { planStore } from '../machine/plan.ts';
import type { VerdictHint } from '../sessions/project-watch.ts';
import type { StoreContext } from './context.ts';
import { type ProvenVerdict, proofIn, proveVerdict } from './evidence.ts';
import type { LedgerEntry } from './ledger.ts';
import { storeNodeLimits } from './limits.ts';

/** A look at which the operator is told: the bundle is a moment later than the notice. */
const toldAt = 3;

interface Waiting {
  hint: VerdictHint;
  tries: number;
  /** Monotonic. */
  notBefore: number;
}

/** Verdicts that were heard of, each looked at again until it is proven. */
export class Hints {
  /** By run. */
  readonly #waiting = new Map<string, Waiting>();
  #wake = Promise.withResolvers<void>();

  /** One of a higher level is looked at at once; one that is here is not. */
  add(hint: VerdictHint): void {
    const before = this.#waiting.get(hint.run);
    if (before !== undefined && (before.hint.level === 'trusted' || hint.level === 'agreed')) return;
    this.#waiting.set(hint.run, { hint, tries: 0, notBefore: Number.NEGATIVE_INFINITY });
    dropOldest(this.#waiting, storeNodeLimits.hintsMax);
    this.#wake.resolve();
  }

  due(now: number): VerdictHint | undefined {
    for (const { hint, notBefore } of this.#waiting.values()) if (notBefore <= now) return hint;
    return undefined;
  }

  done({ run, level }: VerdictHint): void {
    const before = this.#waiting.get(run);
    // Meanwhile a higher level was heard of.
    if (before !== undefined && before.hint.level === level) this.#waiting.delete(run);
  }

  /** Looks at it again later. Returns whether the operator should know. */
  again({ run, level }: VerdictHint, now: number): boolean {
    const before = this.#waiting.get(run);
    if (before === undefined || before.hint.level !== level) return false;
    this.#waiting.delete(run);
    const waits = storeNodeLimits.lookWaitsMs;
    const wait = waits[Math.min(before.tries, waits.length - 1)] ?? 0;
    this.#waiting.set(run, { ...before, tries: before.tries + 1, notBefore: now + wait });
    return before.tries + 1 === toldAt;
  }

  /** Until one may be due. */
  async wait(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const due = [...this.#waiting.values()].map(({ notBefore }) => notBefore);
    const ms = Math.max(50, Math.min(...due, now + storeNodeLimits.planMsMax) - now);
    this.#wake = Promise.withResolvers();
    const stop = new AbortController();
    const stopped = AbortSignal.any([signal, stop.signal]);
    await Promise.race([sleep(ms, undefined, { signal: stopped }).catch(() => {}), this.#wake.promise]);
    stop.abort();
  }
}

/** Under this name the store keeps what this node pins. */
export const storePin = 'store';
/** Of the time that the check of a bundle takes: the check of all is no burden to what else runs. */
const recheckWaits = 3;

/**
 * Keeps what verdicts prove, as `planStore` says. One verdict at a time: its bundle is fetched and verified, then the tree, which is
 * pinned once all of it is here; then the bundle is served.
 */
export class StoreKeeper {
  readonly #context: StoreContext;
  readonly #hints = new Hints();
  /** Runs one change of what is kept after those before it. */
  readonly inTurn = oneByOne();
  #sweptAt = Number.NEGATIVE_INFINITY;
  /** Runs whose bundles made room for others on the same tree. Lost with the process: then they are looked at once more. */
  readonly #passed = new Set<string>();
  /** Runs whose bundle is missing or damaged on this disk, until it is fetched again. */
  readonly #lost = new Set<string>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  hint(hint: VerdictHint): void {
    const { ledger } = this.#context;
    const known = ledger.entries.get(hint.run);
    const isKnown = known?.tree === hint.tree && (known.level === 'trusted' || hint.level === 'agreed');
    if (!isKnown && !this.#passed.has(hint.run)) this.#hints.add(hint);
  }

  /** Drops pins that a crash left, and forgets trees whose pins the disk lost. Before `run`. */
  async reconcile(): Promise<void> {
    const { store, ledger, tell } = this.#context;
    const beside = new Set([...ledger.trees.values()].flatMap((tree) => tree.beside));
    for (const { root, names } of await store.pins())
      if (names.includes(storePin) && !ledger.trees.has(root) && !beside.has(root))
        await store.unpin(root, storePin);
    const lost = [...ledger.trees.keys()].filter((tree) => !store.pinned(tree));
    for (const tree of lost) ledger.trees.delete(tree);
    if (lost.length > 0) {
      tell('warn', 'lost', `${lost.length} trees are not on this disk any more, and are fetched again`);
      await ledger.save();
    }
  }

  /** Rereads the bundles of what is kept, slowly: each that is missing or damaged is fetched again, and serves as it is until then. */
  async recheck(): Promise<void> {
    const { ledger, bundles, signal } = this.#context;
    for (const entry of [...ledger.entries.values()]) {
      const began = performance.now();
      if (signal.aborted) return;
      if (!ledger.trees.has(entry.tree)) continue;
      const text = await bundles.text(entry.run);
      if (text === undefined || !(await this.#isWhole(entry, text))) this.#fetchAgain(entry);
      await sleep(recheckWaits * (performance.now() - began), undefined, { signal }).catch(() => {});
    }
  }

  /** Whether a bundle proves what it did when it was stored: revocations that came since do not count. */
  async #isWhole({ run, tree }: LedgerEntry, text: string): Promise<boolean> {
    const { project } = this.#context;
    const proven = await proofIn(text, { project, revoked: () => [] }).catch(() => undefined);
    return proven?.entry.run === run && proven.entry.tree === tree;
  }

  #fetchAgain({ run, tree, level, name }: LedgerEntry): void {
    if (this.#lost.has(run)) return;
    this.#lost.add(run);
    const says = `the bundle of ${name} (${run}) is not whole on this disk, and is fetched again`;
    this.#context.tell('warn', 'damaged', says, { run, tree });
    this.#hints.add({ run, tree, level });
  }

  /** Announces what earlier lives of this process announced: the records of a node end with its process. */
  async announceAgain(): Promise<void> {
    const { mesh, ledger, signal } = this.#context;
    for (const tree of [...ledger.trees.keys()]) {
      if (signal.aborted) return;
      if (ledger.of(tree).length > 0) await announce(mesh, tree, signal).catch(() => {});
    }
  }

  /** Until the node closes. @throws STORE_DISK_FULL, HOME_UNWRITABLE */
  async run(): Promise<void> {
    const { signal, tell } = this.#context;
    while (!signal.aborted) {
      try {
        await this.apply();
        const hint = this.#hints.due(performance.now());
        if (hint === undefined) await this.#hints.wait(signal);
        else await this.#follow(hint);
      } catch (error) {
        if (signal.aborted) return;
        if (['HOME_UNWRITABLE', 'STORE_DISK_FULL'].includes(codeOf(error))) throw error;
        tell('warn', 'store', `store: ${messageOf(error)}`);
        await this.#hints.wait(signal);
      }
    }
  }

  /** Drops what is not to be kept any more, and looks for what is to be kept and is not here. */
  apply(): Promise<void> {
    return this.inTurn(async () => {
      const { ledger, retention } = this.#context;
      const { drop, missing } = planStore(ledger.known, retention, Date.now());
      for (const { tree, why } of drop) await this.#drop(tree, why);
      for (const [tree, until] of ledger.asked) if (until <= Date.now()) ledger.asked.delete(tree);
      if (drop.length > 0) await this.#sweep();
      for (const { tree } of missing)
        for (const { run, level } of ledger.of(tree)) this.#hints.add({ run, tree, level });
    });
  }

  /**
   * Revocations were learned: what does not hold any more counts no more. Where the root's own void it, it goes. Others may fall with a
   * stolen key of the identity provider: the tree is held for `fallenDays`, and counts again once its verdict holds. While one cannot be
   * read nothing is removed.
   */
  async review(): Promise<void> {
    const { ledger, bundles, tell, signal, revoked } = this.#context;
    const unread = revoked().find(isUnread);
    if (unread !== undefined)
      return tell('warn', 'newer', `what is kept is not looked at again: ${sayRevoked(unread)}`, {
        code: 'DOC_NEWER',
      });
    for (const entry of [...ledger.entries.values()]) {
      if (signal.aborted) return;
      const text = await bundles.text(entry.run);
      if (text === undefined) continue;
      try {
        await proofIn(text, this.#context);
      } catch (error) {
        if (!(await this.#isWhole(entry, text))) {
          this.#fetchAgain(entry);
          continue;
        }
        ledger.entries.delete(entry.run);
        const held = await this.#hold(entry, text);
        const days = `${storeNodeLimits.fallenDays} days`;
        const what = `${entry.name} (${entry.tree}) ${held ? `counts no more, and is kept for ${days}` : 'is kept no more'}`;
        tell('warn', 'fallen', `${what}: ${messageOf(error)}`, { run: entry.run, tree: entry.tree, held });
      }
    }
    await this.#takeBack();
    await this.apply();
  }

  /** Verdicts on trees that are held count again where they hold again. */
  async #takeBack(): Promise<void> {
    const { ledger, bundles, tell } = this.#context;
    for (const tree of ledger.asked.keys()) {
      const text = ledger.of(tree).length > 0 ? undefined : await bundles.get(tree);
      const proven =
        text === undefined ? undefined : await proofIn(text, this.#context).catch(() => undefined);
      if (proven === undefined) continue;
      ledger.add(proven.entry);
      ledger.asked.delete(tree);
      tell('info', 'stands', `${proven.entry.name} (${tree}) counts again`, { run: proven.entry.run, tree });
    }
    await ledger.save();
  }

  /** Holds the tree of a verdict that only others than the root void, or evidence against the log. Returns whether it does. */
  async #hold({ tree }: LedgerEntry, text: string): Promise<boolean> {
    const { ledger, project, revoked } = this.#context;
    const byRoot = () => revoked().filter((one) => one.byRoot && one.what.kind !== 'log');
    const stands = await proofIn(text, { project, revoked: byRoot }).catch(() => undefined);
    if (stands === undefined) return false;
    const until = Date.now() + storeNodeLimits.fallenDays * 24 * 3600 * 1000;
    ledger.asked.set(tree, Math.max(until, ledger.asked.get(tree) ?? 0));
    return true;
  }

  async #follow(hint: VerdictHint): Promise<void> {
    const { mesh, watch, ledger, signal, tell } = this.#context;
    const again = (why: string) => {
      const told = this.#hints.again(hint, performance.now());
      if (told) tell('warn', 'unproven', `${hint.tree} is not kept yet: ${why}`, { ...hint });
    };
    const proven =
      (await proveVerdict(this.#context, hint, watch.controllers)) ??
      (await proveVerdict(this.#context, hint, await findHolders(mesh, hint.tree, [], signal)));
    if (proven === undefined) return again('nobody has a bundle for it that holds');
    // The announced level may still come: agreed before trusted.
    const isAll = proven.entry.level === 'trusted' || hint.level === 'agreed';
    await watch.learnCharter(proven.charter).catch(() => {});
    const before = ledger.entries.get(hint.run);
    const isHere = ledger.trees.has(hint.tree) && !this.#lost.has(hint.run);
    if (before?.level === proven.entry.level && isHere)
      return isAll ? this.#hints.done(hint) : again('there is only a lower level so far');
    const maxBytes = await this.inTurn(async () => this.#roomFor(proven));
    if (maxBytes === undefined) {
      ledger.add(proven.entry);
      await ledger.save();
      return this.#hints.done(hint);
    }
    try {
      await this.#keep(proven, maxBytes);
    } catch (error) {
      signal.throwIfAborted();
      if (['HOME_UNWRITABLE', 'STORE_DISK_FULL'].includes(codeOf(error))) throw error;
      if (codeOf(error) !== 'STORE_TREE_TOO_LARGE') return again(messageOf(error));
      ledger.larger.set(hint.tree, maxBytes);
      ledger.add(proven.entry);
      return again(messageOf(error));
    }
    if (isAll) this.#hints.done(hint);
    else again('there is only a lower level so far');
  }

  /** Bytes that the tree of a verdict may have; undefined where it is not to be kept. */
  #roomFor({ entry }: ProvenVerdict): number | undefined {
    const { ledger, retention } = this.#context;
    const known = ledger.known;
    const entries = [...known.entries.filter(({ run }) => run !== entry.run), entry];
    const { keep, missing } = planStore({ ...known, entries }, retention, Date.now());
    if (keep.includes(entry.tree)) return retention.quotaBytes;
    return missing.find(({ tree }) => tree === entry.tree)?.maxBytes;
  }

  /** @throws TRANSFER_…, STORE_…, HOME_UNWRITABLE */
  async #keep(proven: ProvenVerdict, maxBytes: number): Promise<void> {
    const { mesh, store, bundles, ledger, signal, tell } = this.#context;
    const { entry, text, builders } = proven;
    const { tree } = entry;
    const { bytes, from } = await this.#pull(tree, builders, maxBytes);
    const beside = await fetchLogs(this.#context, proven, from, maxBytes - bytes);
    await this.inTurn(async () => {
      await store.pin([tree, ...beside.keys()], storePin);
      const before = ledger.trees.get(tree) ?? { bytes, beside: [] };
      const fresh = [...beside].filter(([root]) => !before.beside.includes(root));
      const more = fresh.reduce((sum, [, size]) => sum + size, 0);
      // Of a run whose bundle is here already, in an earlier form, the size is counted once.
      const ofBundle = ledger.entries.has(entry.run) ? 0 : text.length;
      ledger.trees.set(tree, {
        bytes: before.bytes + more + ofBundle,
        beside: [...before.beside, ...fresh.map(([root]) => root)].slice(0, storeNodeLimits.besideMax),
      });
      const gone = ledger.add(entry);
      await ledger.save();
      const { run, job, kind } = entry;
      if (this.#lost.delete(run)) for (const which of [run, job, tree]) await bundles.drop(which);
      // The bundle of a test proves no artifact.
      await bundles.put({ run, job, artifact: kind === 'test' ? null : tree }, text);
      if (gone?.tree === tree) await this.#pass(gone);
    });
    const { run, name, level, ref } = entry;
    tell('info', 'kept', `${name} (${level}): ${tree}, ${sizeText(bytes)}`, { run, tree, level, ref, bytes });
    announce(mesh, tree, signal).catch((error) => {
      if (!signal.aborted) tell('warn', 'provide', messageOf(error));
    });
  }

  /** A bundle makes room for another one on the same tree. */
  async #pass({ run, tree }: LedgerEntry): Promise<void> {
    const { bundles, ledger } = this.#context;
    this.#passed.add(run);
    dropOldest(this.#passed, storeNodeLimits.hintsMax);
    const kept = ledger.trees.get(tree);
    const bytes = (await bundles.size(run)) ?? 0;
    await bundles.dropRun(run);
    if (kept !== undefined) ledger.trees.set(tree, { ...kept, bytes: Math.max(0, kept.bytes - bytes) });
    await ledger.save();
  }

  /** From builders that are connected; else from whoever has it, workers before controllers. @throws TRANSFER_…, STORE_… */
  async #pull(
    tree: string,
    builders: readonly string[],
    maxBytes: number,
  ): Promise<{ bytes: number; from: string[] }> {
    const { mesh, store, watch } = this.#context;
    const limit = AbortSignal.timeout(storeNodeLimits.fetchSecondsMax * 1000);
    const signal = AbortSignal.any([this.#context.signal, limit]);
    const connected = mesh.connected();
    const near = builders.filter((id) => connected.includes(id));
    try {
      return { ...(await pullArtifact({ mesh, store }, tree, { from: near, signal, maxBytes })), from: near };
    } catch (error) {
      signal.throwIfAborted();
      if (['STORE_DISK_FULL', 'STORE_TREE_TOO_LARGE'].includes(codeOf(error))) throw error;
    }
    const controllers = watch.controllers.filter(({ id }) => connected.includes(id));
    const found = await findHolders(mesh, tree, builders, signal);
    const from = await connectReachable(mesh, [...found, ...controllers, ...watch.controllers]);
    return { ...(await pullArtifact({ mesh, store }, tree, { from, signal, maxBytes })), from };
  }

  async #drop(tree: string, why: string): Promise<void> {
    const { store, bundles, ledger, mesh, tell } = this.#context;
    const { bytes = 0, beside = [] } = ledger.trees.get(tree) ?? {};
    ledger.trees.delete(tree);
    await ledger.save();
    const ofOthers = new Set([...ledger.trees.values()].flatMap((other) => other.beside));
    for (const { run } of ledger.of(tree)) await bundles.dropRun(run);
    await bundles.dropArtifact(tree);
    for (const root of [tree, ...beside])
      if (!ledger.trees.has(root) && !ofOthers.has(root)) await store.unpin(root, storePin);
    await mesh.unprovide(tree).catch(() => {});
    tell('info', 'dropped', `${tree} is kept no more (${why}): ${sizeText(bytes)}`, { tree, why, bytes });
  }

  /** Gives the room back soon, and not for each tree. */
  async #sweep(): Promise<void> {
    const { store, signal, tell } = this.#context;
    const now = performance.now();
    if (now - this.#sweptAt < storeNodeLimits.sweepSecondsMin * 1000) return;
    this.#sweptAt = now;
    await store.collect({ signal }).catch((error) => tell('warn', 'collect', messageOf(error)));
  }
}

/**
 * Fetches the logs of a tree's builds within a number of bytes: bytes by CID. A log that cannot be had is left out, and told. @throws the
 * signal's reason
 */
export async function fetchLogs(
  { mesh, store, signal, tell }: StoreContext,
  { entry: { name, run }, logs }: Pick<ProvenVerdict, 'entry' | 'logs'>,
  connected: readonly string[],
  maxBytes: number,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  let bytes = 0;
  const missing: string[] = [];
  for (const { log, worker } of logs) {
    const room = Math.min(maxBytes - bytes, limits.logBytesMax + storeNodeLimits.framingBytes);
    if (room <= 0) break;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(storeNodeLimits.besideSecondsMax * 1000)]);
    try {
      const from = [worker, ...connected].slice(0, storeNodeLimits.peersMax);
      const pulled = await pullArtifact({ mesh, store }, log, { from, signal: limit, maxBytes: room });
      bytes += pulled.bytes;
      found.set(log, pulled.bytes);
    } catch {
      signal.throwIfAborted();
      missing.push(log);
    }
  }
  if (missing.length > 0)
    tell('info', 'logs', `${missing.length} logs of ${name} could not be had`, { run, logs: missing });
  return found;
}

/**
 * Peers that may have a tree: those that announce it, and others by PeerId whose addresses are found in time. @throws the reason of
 * `stop`
 */
export async function findHolders(
  mesh: Mesh,
  tree: string,
  others: readonly string[],
  stop: AbortSignal,
): Promise<PeerAddress[]> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(storeNodeLimits.findSecondsMax * 1000)]);
  const max = storeNodeLimits.peersMax;
  const byId = others.slice(0, max).map(async (id) => {
    const addrs = await mesh.findPeer(id, { signal }).catch(() => undefined);
    return addrs === undefined ? [] : [{ id, addrs }];
  });
  const announced = await providersFound(mesh, tree, { signal, max });
  const found = [...(await Promise.all(byId)).flat(), ...announced];
  stop.throwIfAborted();
  return [...new Map(found.map((peer) => [peer.id, peer])).values()].filter(({ id }) => id !== mesh.id);
}
