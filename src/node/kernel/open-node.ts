import { join } from 'node:path';
import type { Libp2p } from '@libp2p/interface';
import type { Registry } from 'prom-client';
import { assert, codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { Loop, type LoopOptions } from '../../protocol/sessions/loop.ts';
import type { MachineTime } from '../../protocol/sessions/machine-time.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import { every } from '../../protocol/sessions/timing.ts';
import { openStore, type Store } from '../../store/index.ts';
import { writesEnded } from '../files.ts';
import { openRevocationBook } from '../membership/revocation-file.ts';
import { type NodeEvent, type Tell, teller } from '../node-events.ts';
import { nodeClock } from '../ports.ts';
import { kernelLimits } from './limits.ts';

/** Ports of a node to the program around it. */
export interface NodePorts {
  metrics?: Registry | undefined;
  /** Ends the opening. A node that is open is ended by `close` alone. */
  signal?: AbortSignal;
  onEvent(event: NodeEvent): void;
  /** The node cannot go on (a full disk, a journal that cannot be written) and has closed itself. */
  onFailure(error: unknown): void;
}

export interface NodeOptions extends Omit<NodePorts, 'metrics'> {
  /** Folder of its files; writes into it that have begun are waited for at the end. */
  dir?: string;
  /** Of its machine. Default: its clock is the wall clock. */
  time?: MachineTime;
}

/** For the refusal of a home that is in use: the kind of node, and the command that runs one from another home. */
interface HomeUse {
  node: string;
  command: string;
}

/**
 * Kernel of every process. `use` and `open…` open the parts of a node, the journal first; `fail` ends a node that cannot go on. All that
 * is open is closed in reverse order, once, within `kernelLimits.closeMsMax`.
 */
export class Kernel {
  readonly tell: Tell;
  readonly clock: Clock;
  /** Aborted when the node begins to close. */
  readonly closing: AbortSignal;
  readonly #options: NodeOptions;
  readonly #stop: AbortController;
  readonly #open: (() => unknown)[] = [];
  #closed: Promise<void> = Promise.resolve();
  #failure: { error: unknown } | undefined;

  constructor(options: NodeOptions, stop: AbortController) {
    this.#options = options;
    this.#stop = stop;
    this.tell = teller(options.onEvent);
    this.closing = stop.signal;
    this.clock = nodeClock(this.closing, options.time);
  }

  /** Why it cannot go on, in one sentence; undefined while it can. */
  get trouble(): string | undefined {
    return this.#failure && messageOf(this.#failure.error);
  }

  /** Calls this when the node closes, before what was opened earlier is closed; soon where it has closed. */
  onClose(close: () => unknown): void {
    this.#open.push(close);
    if (this.closing.aborted) void this.close().catch(() => {});
  }

  /** Takes a part that is to be closed with the node. Rejects where the node closes by then. */
  async use<Part extends { close(): unknown }>(opening: Part | Promise<Part>): Promise<Part> {
    const part = await opening;
    this.onClose(() => part.close());
    this.check();
    return part;
  }

  /** @throws the failure of the node, or the reason for which it closes */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.closing.throwIfAborted();
  }

  /** Opens the store in its folder. @throws STORE_…; with `use`, HOME_IN_USE in place of STORE_IN_USE */
  openStore(libp2p: Libp2p, use?: HomeUse): Promise<Store> {
    const dir = this.#dir;
    const opening = openStore({ dir: join(dir, 'store'), libp2p }).catch((error) => {
      throw use !== undefined && codeOf(error) === 'STORE_IN_USE' ? homeInUse(dir, use, error) : error;
    });
    return this.use(opening);
  }

  /** Opens the revocations that its folder knows of a project, and saves again later what cannot be saved. @throws HOME_…, KEY_INVALID */
  async openRevocations(project: string): Promise<RevocationBook> {
    const book = await openRevocationBook(this.#dir, project, (error) => {
      const says = 'revocations and evidence are not kept, until it can be written';
      this.tell('warn', 'revocation', `${says}: ${messageOf(error)}`);
    });
    every(this.clock, kernelLimits.saveAgainMs, () => void book.saveAgain().catch(() => {}));
    return book;
  }

  /** Runs a machine from its journal. */
  openLoop<Event extends { kind: string }, Effect>(
    options: Omit<LoopOptions<Event, Effect>, 'clock' | 'time' | 'failed'>,
  ): Loop<Event, Effect> {
    const { clock } = this;
    const { time } = this.#options;
    const loop = new Loop<Event, Effect>({ ...options, clock, time, failed: (error) => this.fail(error) });
    this.onClose(() => loop.close());
    return loop;
  }

  get #dir(): string {
    const { dir } = this.#options;
    assert(dir !== undefined, 'a node with files has a folder');
    return dir;
  }

  /** Closes the node and then reports the first error with which it failed. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    void this.close()
      .catch(() => {})
      .finally(() => this.#options.onFailure(error));
  }

  /** Every part is closed although another cannot be, whose error is thrown then. Further calls end after those before them. */
  close(): Promise<void> {
    this.#stop.abort();
    this.#closed = this.#closed.catch(() => {}).then(() => this.#close());
    return this.#closed;
  }

  async #close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, kernelLimits.closeMsMax);
    const failures: unknown[] = [];
    const end = async (close: () => unknown) => {
      await Promise.race([close(), late.promise]);
    };
    for (let close = this.#open.pop(); close !== undefined; close = this.#open.pop())
      await end(close).catch((error) => failures.push(error));
    const { dir } = this.#options;
    if (dir !== undefined) await end(() => writesEnded(dir));
    clearTimeout(timer);
    if (failures.length > 0) throw failures[0];
  }
}

/**
 * Opens a node: `build` opens its parts, makes its sessions and starts. Any failure in that closes what is open by then; an abort rejects
 * with its reason.
 */
export async function openNode<Built extends object>(
  options: NodeOptions,
  build: (kernel: Kernel) => Promise<Built>,
): Promise<Built & { close(): Promise<void> }> {
  const { signal } = options;
  const stop = new AbortController();
  const kernel = new Kernel(options, stop);
  const abort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    signal?.throwIfAborted();
    const built = await build(kernel);
    kernel.check();
    return Object.assign(built, { close: () => kernel.close() });
  } catch (error) {
    await kernel.close().catch(() => {});
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function homeInUse(dir: string, { node, command }: HomeUse, cause: unknown): QuorateError {
  return new QuorateError('HOME_IN_USE', `another ${node} runs from ${dir}`, {
    hint: `A home has one key, and a key is one node of the network. Run this one from a home of its own: ${command} --home <folder>`,
    cause,
  });
}
