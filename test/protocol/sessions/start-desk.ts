import { standIn } from '../../../simulations/keys.ts';
import { Reader } from '../../../simulations/reader.ts';
import { Scheduler } from '../../../simulations/scheduler.ts';
import type { Controller } from '../../../src/controller/machine/machine.ts';
import { type InquiryPorts, StartInquiry } from '../../../src/controller/sessions/start-inquiry.ts';
import type { QuorateError } from '../../../src/protocol/base/errors.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import {
  type HeldLease,
  knownIn,
  revocationServer,
} from '../../../src/protocol/sessions/revocation-exchange.ts';
import {
  formatCheckpoint,
  type MerkleTree,
  signCheckpoint,
} from '../../../src/protocol/transparency/index.ts';
import { Bench } from '../../controller/machine/bench.ts';
import { pair } from './channel-pair.ts';

export const minute = 60_000;
export const floor = { agree: 2, of: 2, cosign: 'none' as const, rounds: 8 };

/** Holdings of a member, or what it shows in their place. */
export interface Holds {
  note?: string;
  leaves?: readonly string[] | ((from: number) => Promise<readonly string[]>);
  leases?: HeldLease[];
  revocations?: RevocationBook;
  charter?: string;
  /** It answers nothing. */
  isSilent?: true;
}

export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

export type Make = (id: string, idp: string) => Controller;

/** The members' side, and a controller that starts from the first `events` of a journal. */
export class Start {
  readonly bench: Bench;
  readonly copy: Bench;
  readonly time = new Scheduler(settle);
  readonly inquiry: StartInquiry;
  readonly told: string[] = [];
  readonly stopped: string[] = [];
  /** Epochs of charters that were taken after the start. */
  readonly taken: number[] = [];
  readonly asked: string[] = [];
  readonly members = new Map<string, Holds>();
  readonly clock: InquiryPorts['clock'] & { closing: boolean };
  /** The checkpoint in its file. */
  checkpoint: { size: number; root: string } | undefined;
  /** Called before a member answers for its leaves. */
  beforeLeaves = async (): Promise<void> => {};
  close = (): void => {};
  #result: Promise<unknown> | undefined;

  constructor(bench: Bench, events: number, over: Partial<InquiryPorts> = {}, make?: Make) {
    this.bench = bench;
    this.copy = new Bench(make);
    this.copy.journal.push(...bench.journal.slice(0, events));
    this.copy.now = bench.now;
    this.copy.replay();
    const { paper } = bench;
    this.clock = {
      now: () => this.time.now,
      monotonic: () => this.time.now,
      endOfTurn: queueMicrotask,
      after: (ms, act) => this.time.after(ms, act),
      closing: false,
      onClosing: (act) => {
        this.close = act;
        return () => {};
      },
    };
    this.inquiry = new StartInquiry({
      project: paper.project,
      signing: { signer: paper.controller, documents: new Reader(standIn.verifier), nonce: () => '' },
      machine: this.copy.controller,
      clock: this.clock,
      tell: (_, kind) => this.told.push(kind),
      stop: ({ code }) => this.stopped.push(code),
      dial: async ({ id }) => {
        const [near, far] = pair();
        void this.#serve(id ?? '', far);
        return near;
      },
      alone: false,
      journalLost: false,
      takeCharter: async ({ payload: { epoch } }) => void this.taken.push(epoch),
      ...over,
    });
  }

  async #serve(id: string, channel: ReturnType<typeof pair>[1]): Promise<void> {
    this.asked.push(id);
    const holds = this.members.get(id) ?? {};
    if (holds.isSilent) return;
    const { project } = this.bench.paper;
    const charter = holds.charter ?? this.bench.controller.state.charter?.raw ?? '';
    await revocationServer({
      ...knownIn(holds.revocations ?? (await RevocationBook.open(project, standIn.verifier))),
      checkpoint: () => holds.note,
      atStart: {
        isController: () => true,
        held: () => ({ charter, leases: holds.leases ?? [] }),
        leaves: async (from) => {
          await this.beforeLeaves();
          const { leaves = [] } = this.members.get(id) ?? {};
          return typeof leaves === 'function' ? leaves(from) : leaves.slice(from);
        },
      },
    }).session(channel);
  }

  /** A checkpoint under the controller's key. */
  note(size = this.log.size, log = this.log): Promise<string> {
    const { project, controller } = this.bench.paper;
    return signCheckpoint(formatCheckpoint({ project, size, root: log.root(size) }), controller);
  }

  get log(): MerkleTree {
    return this.bench.controller.state.log;
  }

  /** A member connects, and holds this from now on. */
  hello(name: string, holds: Holds = {}, grant = this.bench.grantOf(name)): void {
    this.members.set(this.bench.id(name), holds);
    this.inquiry.hello(this.bench.id(name), grant);
  }

  /** Result of the start after that time: "waits", the code of an error, or what `begin` says. */
  async after(ms: number): Promise<unknown> {
    this.#result ??= this.begin().catch(({ code }: QuorateError) => code);
    await this.time.run(this.time.now + ms);
    return Promise.race([this.#result, settle().then(() => 'waits')]);
  }

  /** Returns the leaves that it takes, or "starts". */
  protected async begin(): Promise<unknown> {
    const event = await this.inquiry.run(await this.bench.paper.charter({ floor }), this.checkpoint);
    if (event !== undefined) this.copy.send(event);
    this.inquiry.open();
    return event?.leaves ?? 'starts';
  }
}

/** A project of a trusted worker and three operators, of whom `cy` joined after the copy was made. */
export async function started(over: Partial<InquiryPorts> = {}, events?: number): Promise<Start> {
  const bench = new Bench();
  await bench.start({ floor });
  await bench.members('trusted', 'ada', 'bob');
  const { length } = bench.journal;
  await bench.members('cy');
  return new Start(bench, events ?? length, over);
}
