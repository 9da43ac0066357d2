import { join } from 'node:path';
import { draftOf } from '../../core/controller/draft.ts';
import { type ControllerEffect, type ControllerEvent, defaultTimings } from '../../core/controller/events.ts';
import { Controller } from '../../core/controller/machine.ts';
import { artifactOf, encodeJob, type Offer, signMessage } from '../../core/documents/index.ts';
import { messageOf, unreachable } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { fromUtf8 } from '../../core/text.ts';
import { encodeMessage, type OfferNotice, type VerdictNotice } from '../../core/wire/messages.ts';
import { topics } from '../../core/wire/protocols.ts';
import { openJournal } from '../../journal/index.ts';
import { openMesh, projectRendezvous } from '../../mesh/index.ts';
import { openStore } from '../../store/index.ts';
import { announce } from '../artifacts/announce.ts';
import { openBundles, serveBundles } from '../artifacts/bundles.ts';
import { collectNowAndThen } from '../artifacts/collect.ts';
import { pullArtifact, serveArtifacts } from '../artifacts/transfer.ts';
import { type ProjectFolder, readCharter, writeAddress } from '../membership/project-folder.ts';
import { Loop } from '../node/loop.ts';
import { type NodeEvent, teller } from '../node/node-events.ts';
import { idleAtController, passingAtController } from '../node/passing.ts';
import { serveApi } from './api.ts';
import { assembleBundle } from './assemble.ts';
import { type ControllerContext, Followers, Replies } from './context.ts';
import { ControllerFeed } from './feed.ts';
import { ControllerImages } from './images.ts';
import { boundOf, Keeper } from './keep.ts';
import { ControllerLeases } from './leases.ts';
import { LiveLogs } from './live-logs.ts';
import { type PublicView, publicView } from './public-view.ts';
import { refreshCharter } from './refresh-charter.ts';

export interface ControllerOptions {
  folder: ProjectFolder;
  listen: string[];
  announce: string[];
  bootstrap: string[];
  /** How long a slot may stay empty before a round goes on without it. */
  slotWaitMs?: number;
  onEvent(event: NodeEvent): void;
  /** The node cannot go on (a full disk, a journal that cannot be written) and has closed itself. */
  onFailure(error: unknown): void;
}

export interface ControllerNode {
  readonly id: string;
  readonly project: string;
  addresses(): string[];
  /** For an HTTP server beside it. */
  readonly view: PublicView;
  /** Where that server is to be found, for workers to remember. */
  tellFeed(urls: string[]): void;
  close(): Promise<void>;
}

const pinMsMax = 60_000;
const charterPollMs = 1_000;

/**
 * Controller, identity provider and artifact store in one process. What is in `<folder>/controller.db` is enough to go
 * on after any crash. Errors: `JOURNAL_…`, `MESH_…`, `STORE_…`.
 */
export async function startController(options: ControllerOptions): Promise<ControllerNode> {
  const { folder } = options;
  const tell = teller(options.onEvent);
  const journal = openJournal<ControllerEvent>(
    join(folder.dir, 'controller.db'),
    `controller ${folder.controller.id}`,
  );
  const closers: (() => unknown)[] = [() => journal.close()];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const machine = new Controller(folder.controller.id, folder.idp.id);
    const mesh = await openMesh({
      key: folder.controller.seed,
      listen: options.listen,
      announce: options.announce,
      bootstrap: [...folder.charter.bootstrap, ...options.bootstrap],
      peersFile: join(folder.dir, 'peers.json'),
      topics: [topics.offers(folder.project), topics.verdicts(folder.project)],
      role: 'node',
    });
    closers.push(() => mesh.close());
    const store = await openStore({ dir: join(folder.dir, 'store'), libp2p: mesh.libp2p });
    closers.push(() => store.close());

    let perform: (effect: ControllerEffect) => void = () => {};
    const loop = new Loop<ControllerEvent, ControllerEffect>({
      machine,
      journal,
      perform: (effect) => perform(effect),
      tick: { kind: 'tick' },
      passing: passingAtController,
      idle: idleAtController,
      failed: (error) => {
        void closeAll().finally(() => options.onFailure(error));
      },
    });
    closers.push(() => loop.close());
    const context: ControllerContext = {
      folder,
      machine,
      dispatch: (event) => loop.dispatch(event),
      replies: new Replies(),
      followers: new Followers(),
      mesh,
      store,
      bundles: openBundles(join(folder.dir, 'bundles')),
      logs: new LiveLogs(join(folder.dir, 'logs')),
      backlog: new Map(),
      feedUrls: [],
      tell,
    };
    const feed = new ControllerFeed(context);
    const leases = new ControllerLeases(context);
    const effects = new Effects(context, feed, leases);
    closers.push(() => effects.close());

    const replayed = loop.replay();
    perform = (effect) => effects.perform(effect);
    const charter = (await readCharter(folder.dir)) ?? machine.state.charter;
    if (charter === null) throw new Error('a project folder that was opened has a charter');
    loop.dispatch({
      kind: 'started',
      charter,
      timings: {
        ...defaultTimings,
        ...(options.slotWaitMs === undefined ? {} : { slotFillMs: options.slotWaitMs }),
      },
    });
    feed.serve();
    leases.serve();
    context.logs.serve(context);
    const stop = new AbortController();
    closers.push(() => stop.abort());
    const images = new ControllerImages(context, stop.signal);
    await images.resume();
    serveApi(context, images);
    serveBundles(mesh, context.bundles);
    serveArtifacts(context);
    closers.push(mesh.joinProject(folder.project));
    await mesh.provide(projectRendezvous(folder.project)).catch((error) => {
      // Where it is the first peer itself, nobody is there to take the record yet; what joins the project tries again.
      const first = folder.charter.bootstrap.length + options.bootstrap.length === 0;
      if (!first) tell('warn', 'provide', messageOf(error));
    });
    await writeAddress(folder.dir, mesh.addresses());
    closers.push(watchCharter(context));
    // What was agreed, logs, dissenting trees and images are pinned, and never let go of here.
    closers.push(collectNowAndThen({ store, tell }));
    if (replayed > 0) tell('info', 'replayed', `went on after ${replayed} events`, { events: replayed });
    return {
      id: folder.controller.id,
      project: folder.project,
      addresses: () => mesh.addresses(),
      view: publicView(context),
      tellFeed: (urls) => {
        context.feedUrls = urls.slice(0, limits.feedUrlsMax);
      },
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** The owner signs a new charter in the same folder; it is in force a second later. */
function watchCharter(context: ControllerContext): () => void {
  const look = () =>
    refreshCharter(context).catch((error) => context.tell('warn', 'charter', messageOf(error)));
  const timer = setInterval(look, charterPollMs);
  return () => clearInterval(timer);
}

/** Carries out what the machine asks for. */
class Effects {
  readonly #context: ControllerContext;
  readonly #feed: ControllerFeed;
  readonly #leases: ControllerLeases;
  readonly #stop = new AbortController();
  readonly #keeper: Keeper;

  constructor(context: ControllerContext, feed: ControllerFeed, leases: ControllerLeases) {
    this.#context = context;
    this.#feed = feed;
    this.#leases = leases;
    this.#keeper = new Keeper(context, this.#stop.signal);
  }

  close(): void {
    this.#stop.abort();
  }

  perform(effect: ControllerEffect): void {
    const { replies, followers, backlog, tell } = this.#context;
    const run = (what: string, work: Promise<unknown>) => {
      work.catch((error) => {
        if (!this.#stop.signal.aborted) tell('warn', what, `${what}: ${messageOf(error)}`);
      });
    };
    switch (effect.kind) {
      case 'reply':
        return replies.answer(effect.token, effect.reply);
      case 'offer':
        return run('offer', this.#offer(effect.run, effect.offer));
      case 'unoffer':
        backlog.delete(effect.offer);
        return;
      case 'reveal':
        return this.#leases.reveal(effect.lease);
      case 'release':
        return this.#leases.release(effect.lease, effect.code, effect.message);
      case 'pin':
        return run('pin', this.#pin(effect.run, effect.artifact, effect.from));
      case 'keep':
        return this.#keeper.keep(effect.run, effect);
      case 'cosign':
        return run('cosign', this.#leases.cosign(effect.run, effect.lease));
      case 'verdict':
        return run('verdict', this.#verdict(effect.run));
      case 'progress':
        if (effect.progress.kind === 'contradicted' && effect.progress.artifact !== null) {
          run('bundle', this.#context.bundles.drop(effect.progress.artifact));
        }
        return followers.tell(effect.run);
      default:
        return unreachable(effect, 'controller effect');
    }
  }

  async #offer(runId: string, offer: Offer): Promise<void> {
    const { machine, mesh, backlog, folder } = this.#context;
    const run = machine.state.runs.get(runId);
    if (run === undefined) return;
    const signed = await signMessage('offer', offer, folder.controller.signer);
    const notice: OfferNotice = {
      offer: signed.raw,
      request: run.request.raw,
      publisher: run.publisher.raw,
      job: fromUtf8(encodeJob(run.job).bytes),
    };
    if (!machine.state.offers.has(signed.id)) return;
    const again = backlog.has(signed.id);
    backlog.set(signed.id, notice);
    // Gossip drops a message it has seen; what is offered again goes to those who are there.
    if (again) this.#feed.push(notice);
    else await mesh.publish(topics.offers(folder.project), encodeMessage(notice));
  }

  async #pin(run: string, artifact: string, from: string[]): Promise<void> {
    const { machine, store, dispatch } = this.#context;
    const of = machine.state.runs.get(run);
    const maxBytes = of === undefined ? 0 : boundOf(of, artifact);
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(pinMsMax)]);
    let detail = '';
    let ok = false;
    try {
      if (!(await store.has(artifact)))
        await pullArtifact(this.#context, artifact, { from, signal, maxBytes });
      await store.pin([artifact], run);
      ok = true;
    } catch (error) {
      detail = messageOf(error);
    }
    dispatch({ kind: 'pinned', run, artifact, ok, detail });
  }

  async #verdict(runId: string): Promise<void> {
    const { machine, bundles, mesh, folder, tell } = this.#context;
    const run = machine.state.runs.get(runId);
    const draft = draftOf(machine.state, runId);
    if (run === undefined || draft === undefined) return;
    const facts = draft.verdict.predicate.quorate_verdict;
    const artifact = facts.outcome === null ? null : artifactOf(facts.outcome);
    const bundle = await assembleBundle(draft, folder.project, folder.controller);
    // Where nobody delivered there is nothing to prove; the verdict is still told.
    if (draft.receipts.length === 0)
      return tell('info', 'verdict', `${facts.name}: ${facts.level}, nobody built it`, {
        run: runId,
        job: run.jobId,
        level: facts.level,
      });
    if ((await bundles.get(runId)) === bundle) return;
    await bundles.put({ run: runId, job: run.jobId, artifact }, bundle);
    const notice: VerdictNotice = { job: run.jobId, request: runId, level: facts.level, artifact };
    await mesh.publish(topics.verdicts(folder.project), encodeMessage(notice));
    tell('info', 'verdict', `${facts.name}: ${facts.level}`, {
      run: runId,
      job: run.jobId,
      level: facts.level,
      artifact,
    });
    if (artifact !== null && facts.level !== 'disputed') await announce(mesh, artifact, this.#stop.signal);
  }
}
