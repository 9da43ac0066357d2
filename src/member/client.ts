import { refusePrivate } from '../execution/source-url.ts';
import { randomNonce } from '../identity/idp.ts';
import { type Mesh, openMesh } from '../mesh/index.ts';
import { fetchBundle } from '../node/artifacts/bundles.ts';
import { askForRevocations } from '../node/artifacts/revocations.ts';
import { serveArtifacts } from '../node/artifacts/transfer.ts';
import { openNode } from '../node/kernel/open-node.ts';
import { ask, openCredentials } from '../node/membership/credentials.ts';
import type { Home } from '../node/membership/home.ts';
import { isUnread, patiently, type Waiting } from '../node/patience.ts';
import { meshDial } from '../node/ports.ts';
import { assert, codeOf, QuorateError } from '../protocol/base/errors.ts';
import { escapeValue } from '../protocol/base/escape.ts';
import { refsNamed } from '../protocol/base/git-ref.ts';
import { fromUtf8 } from '../protocol/base/text.ts';
import {
  type Bundle,
  type Charter,
  decodeBundle,
  encodeJob,
  moreOfPush,
  type Request,
  signMessage,
} from '../protocol/documents/index.ts';
import { isConnectionError, isCrowded, openQuestion } from '../protocol/sessions/ask.ts';
import type { Credentials, Membership } from '../protocol/sessions/credentials.ts';
import { keepStreams } from '../protocol/sessions/kept-streams.ts';
import type { Clock, Dial } from '../protocol/sessions/ports.ts';
import type { RevocationBook } from '../protocol/sessions/revocation-book.ts';
import { runSource, unexpected } from '../protocol/sessions/run-source.ts';
import type { RunSource } from '../protocol/sessions/run-verifier.ts';
import type { ApiDown, ApiUp } from '../protocol/wire/messages.ts';
import type { PipelineJob, RunSummary } from '../protocol/wire/runs.ts';
import type { Store } from '../store/index.ts';
import { Following, type LogChunk, type LogOptions, type TimedProgress } from './following.ts';
import { jobDocument } from './job-document.ts';
import { clientLimits } from './limits.ts';
import type { SubmitOptions } from './submit.ts';

/** Asks members of a project for revocations, once a minute at most. */
export function membersOf(
  credentials: Credentials,
  signal: AbortSignal,
): (book: RevocationBook) => Promise<void> {
  let due = 0;
  return async (book) => {
    if (performance.now() < due) return;
    due = performance.now() + clientLimits.askMembersMs;
    const { project, bootstrap, controllers } = credentials.membership;
    await askForRevocations({ project, artifact: null, bootstrap, controllers, book, signal });
  };
}

export type { LogChunk, TimedProgress } from './following.ts';

export interface ShownRun {
  summary: RunSummary;
  history: TimedProgress[];
  /** Events, and jobs of the pipeline, that do not decode or are of a later version. */
  unread: number;
  /** The jobs that it rests on, that rest on it, and that these are connected with, itself among them. */
  pipeline: PipelineJob[];
}

export type Client = MemberClient & { close(): Promise<void> };

/** A member of a project, with its home. */
export interface Member {
  home: Home;
  membership: Membership;
  /** Reads the present addresses of the controller, where its own folder names them: they may change with each start. */
  addresses?: (() => Promise<string[]>) | undefined;
}

/** Connects to the controller of a membership. @throws {QuorateError} `CONTROLLER_UNREACHABLE`, `MESH_…`, `DOC_…` */
export async function openClient(options: Waiting & Member): Promise<Client> {
  const { home, membership, addresses, signal, tell } = options;
  return openNode({ onEvent() {}, onFailure() {} }, async (kernel) => {
    const key = await home.key();
    const mesh = await kernel.use(
      openMesh({ key: key.seed, listen: [], bootstrap: [], topics: [], role: 'node' }),
    );
    const credentials = await openCredentials(home, key, membership);
    const client = new MemberClient(home, mesh, kernel.clock, credentials, { addresses, signal, tell });
    await client.renewDue();
    return client;
  });
}

/** A member's connection to the controller of its project. */
class MemberClient {
  readonly source: RunSource;
  readonly #home: Home;
  readonly #mesh: Mesh;
  readonly #dial: Dial;
  readonly #credentials: Credentials;
  readonly #signal: AbortSignal;
  readonly #waiting: Waiting;
  readonly #addresses: Member['addresses'];
  readonly #following: Following;
  #served: Store | undefined;

  constructor(
    home: Home,
    mesh: Mesh,
    clock: Clock,
    credentials: Credentials,
    { addresses, ...waiting }: Waiting & Pick<Member, 'addresses'>,
  ) {
    this.#home = home;
    this.#mesh = mesh;
    const { signal } = waiting;
    // Keeps streams for questions.
    this.#dial = keepStreams(meshDial(mesh, signal), clock, clientLimits.keptStreamMs);
    this.#credentials = credentials;
    this.#signal = signal;
    this.#waiting = waiting;
    this.#addresses = addresses;
    const open = (question: ApiUp, within: AbortSignal) =>
      this.#found(() => openQuestion(meshDial(mesh, within), this.#credentials.controller, question));
    this.#following = new Following(open, waiting);
    this.source = runSource({
      ask: (question) => this.#ask(question),
      credentials,
      dial: meshDial(mesh, signal),
      bundle: async (which) => (await this.bundle(which)).bundle,
      askMembers: membersOf(credentials, signal),
    });
  }

  get role(): Membership['role'] {
    return this.#credentials.membership.role;
  }

  get operator(): string {
    return this.#credentials.membership.operator;
  }

  get project(): string {
    return this.#credentials.membership.project;
  }

  /** As this member knows it. */
  get charter(): Charter {
    return this.#credentials.charter;
  }

  renewDue(): Promise<void> {
    return patiently(
      this.#waiting,
      () => this.#found(() => this.#credentials.renewDue(this.#dial)),
      isUnread,
    );
  }

  async #ask(question: ApiUp, dial = this.#dial): Promise<ApiDown> {
    const asked = () => ask(dial, this.#credentials.membership.controllers, question, this.#signal);
    return (await patiently(this.#waiting, () => this.#found(asked), isUnread)).answer;
  }

  /** Does it again where the controller or the identity provider turns out to have another key, or address, by now. */
  async #found<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!(await this.#changed(error))) throw error;
    }
    return act();
  }

  async #changed(error: unknown): Promise<boolean> {
    const code = codeOf(error);
    if (code === 'GRANT_ISSUER_MISMATCH') {
      await this.#credentials.renew(this.#dial);
      return true;
    }
    // A search would open one more connection to a controller that takes none.
    if (isCrowded(error) || (code !== 'REQUEST_AUDIENCE_MISMATCH' && !isConnectionError(error))) return false;
    return (await this.#moved()) || this.#credentials.searchControllers(this.#dial);
  }

  async #moved(): Promise<boolean> {
    const { controller: before } = this.#credentials;
    const told = (await this.#addresses?.()) ?? [];
    const own = told.filter((addr) => addr.endsWith(`/p2p/${before.id}`));
    await this.#credentials.learnAddress(before.id, own);
    return this.#credentials.controller !== before;
  }

  submit(options: SubmitOptions): Promise<{ run: string; job: string }> {
    // Repeated with the same id, so that all attempts are one run.
    const stamp = options.stamp ?? { jti: randomNonce(), iat: Math.floor(Date.now() / 1000) };
    return patiently(this.#waiting, () => this.#found(() => this.#submit({ ...options, stamp })));
  }

  async #submit(options: SubmitOptions & { stamp: object }): Promise<{ run: string; job: string }> {
    const { repo, commit, policy, needs, recipe, rebuild = false, words, expiresSeconds, stamp } = options;
    refusePrivate(repo.url, this.#credentials.charter.vcs);
    const key = await this.#home.key();
    const { bytes, id } = encodeJob(jobDocument(options));
    const controller = this.#credentials.controller;
    const more = words && moreOfPush(words);
    const request: Request = {
      iss: key.id,
      aud: controller.id,
      project: this.project,
      job: id,
      ...(needs !== undefined && { needs }),
      repo: repo.url,
      ref: repo.ref,
      commit,
      ...(recipe !== undefined && { recipe }),
      policy,
      rebuild,
      ...(more !== undefined && { more }),
      ...stamp,
      exp: stamp.iat + expiresSeconds,
    };
    const signed = await signMessage('request', request, key.signer);
    const question: ApiUp = {
      kind: 'submit',
      request: signed.raw,
      publisher: this.#credentials.grant.raw,
      job: fromUtf8(bytes),
    };
    const { answer } = await ask(this.#dial, [controller], question, this.#signal);
    if (answer.kind !== 'accepted') throw unexpected('accepted', answer);
    // Ids follow from what was signed here; those in the answer are not believed.
    return { run: signed.id, job: id };
  }

  /** Has the controller fetch a tree from this store, the same each time, which serves it until the client closes. */
  bring(store: Store, tree: string, onProgress: (bytes: number, total?: number) => void): Promise<void> {
    assert(this.#served === undefined || this.#served === store, 'a client serves one store');
    if (this.#served === undefined) serveArtifacts({ mesh: this.#mesh, store });
    this.#served = store;
    return this.#found(() => this.#following.bring(tree, this.#credentials.grant.raw, onProgress));
  }

  /** The newest first. Of one branch or tag, where its name is given. */
  async jobs(
    ref?: string,
  ): Promise<{ jobs: RunSummary[]; unread?: number; equivocations: string[]; full?: string[] }> {
    const answer = await this.#ask({ kind: 'jobs', ...(ref !== undefined && { ref }) });
    if (answer.kind !== 'jobs') throw unexpected('jobs', answer);
    const { equivocations = [], full = [] } = answer;
    const refs = ref && refsNamed(ref);
    const read = answer.jobs.filter((job) => job !== null);
    const jobs = refs ? read.filter((job) => refs.includes(job.ref)) : read;
    return { jobs, unread: answer.jobs.length - read.length, equivocations, full };
  }

  async show(which: string): Promise<ShownRun> {
    const answer = await this.#ask({ kind: 'show', which });
    if (answer.kind !== 'job') throw unexpected('job', answer);
    const { summary, history, pipeline } = answer;
    const known = history.filter(({ progress }) => progress !== null);
    const jobs = pipeline.filter((job) => job !== null);
    const unread = history.length + pipeline.length - known.length - jobs.length;
    return { summary, history: escapeValue(known) as TimedProgress[], unread, pipeline: jobs };
  }

  /** Cancels a run of this publisher. Returns its id. */
  async cancel(which: string, reason: string): Promise<string> {
    // On a stream of its own: on one that was kept it may be asked twice, and the second answer is that the run is over.
    const answer = await this.#ask({ kind: 'cancel', which, reason }, meshDial(this.#mesh, this.#signal));
    if (answer.kind !== 'cancelled') throw unexpected('cancelled', answer);
    return answer.run;
  }

  /** Acknowledges the alarm of a run, as a publisher. */
  async acknowledge(which: string): Promise<void> {
    const answer = await this.#ask({ kind: 'acknowledge', which, publisher: this.#credentials.grant.raw });
    if (answer.kind !== 'acknowledged') throw unexpected('acknowledged', answer);
  }

  /** Past progress, then live progress; ends with the run. */
  follow(which: string, signal: AbortSignal): AsyncGenerator<TimedProgress> {
    return this.#following.follow(which, signal);
  }

  logs(which: string, options: LogOptions): AsyncGenerator<LogChunk> {
    return this.#following.logs(which, options);
  }

  /** `wholeMs`: as of `requestBundle`. */
  bundle(which: string, wholeMs?: number): Promise<{ bundle: Bundle; text: string }> {
    return patiently(this.#waiting, () => this.#found(() => this.#bundle(which, wholeMs)), isUnread);
  }

  async #bundle(which: string, wholeMs?: number): Promise<{ bundle: Bundle; text: string }> {
    for (const controller of this.#credentials.membership.controllers) {
      const text = await fetchBundle(this.#mesh, controller, which, this.#signal, wholeMs);
      if (text !== undefined) return { bundle: decodeBundle(text), text };
    }
    throw new QuorateError('BUNDLE_NOT_FOUND', `the controller has no bundle for ${which}`, {
      hint: 'A job has one as soon as it has a verdict.',
    });
  }
}
