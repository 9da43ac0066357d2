import { standIn } from '../../../simulations/keys.ts';
import { Reader } from '../../../simulations/reader.ts';
import { Scheduler } from '../../../simulations/scheduler.ts';
import type { QuorateError } from '../../../src/core/errors.ts';
import { type InquiryPorts, StartInquiry } from '../../../src/core/sessions/controller/start-inquiry.ts';
import { RevocationBook } from '../../../src/core/sessions/revocation-book.ts';
import { type HeldLease, knownIn, revocationServer } from '../../../src/core/sessions/revocation-exchange.ts';
import { formatCheckpoint, type MerkleTree, signCheckpoint } from '../../../src/core/transparency/index.ts';
import { Bench } from '../controller/bench.ts';
import { pair } from './channel-pair.ts';

const floor = { agree: 2, of: 2, cosign: 'none' as const, rounds: 8 };

/** Holdings of a member. */
export interface Holds {
  note?: string;
  leaves?: readonly string[];
  leases?: HeldLease[];
  /** It answers nothing. */
  isSilent?: true;
}

export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** The members' side, and a controller that starts from the first `events` of a journal. */
export class Start {
  readonly bench: Bench;
  readonly copy = new Bench();
  readonly time = new Scheduler(settle);
  readonly inquiry: StartInquiry;
  readonly told: string[] = [];
  readonly stopped: string[] = [];
  readonly members = new Map<string, Holds>();
  readonly clock: InquiryPorts['clock'] & { closing: boolean };
  /** Called before a member answers for its leaves. */
  beforeLeaves = async (): Promise<void> => {};
  close = (): void => {};

  constructor(bench: Bench, events: number, over: Partial<InquiryPorts> = {}) {
    this.bench = bench;
    this.copy.journal.push(...bench.journal.slice(0, events));
    this.copy.replay();
    const { paper } = bench;
    this.clock = {
      ...{ now: () => this.time.now, monotonic: () => this.time.now, endOfTurn: queueMicrotask },
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
      ...{ alone: false, journalLost: false },
      ...over,
    });
  }

  async #serve(id: string, channel: ReturnType<typeof pair>[1]): Promise<void> {
    const holds = this.members.get(id) ?? {};
    if (holds.isSilent) return;
    const { project } = this.bench.paper;
    const charter = this.bench.controller.state.charter?.raw ?? '';
    await revocationServer({
      ...knownIn(await RevocationBook.open(project, standIn.verifier)),
      checkpoint: () => holds.note,
      atStart: {
        isController: () => true,
        held: () => ({ charter, leases: holds.leases ?? [] }),
        leaves: async (from) => {
          await this.beforeLeaves();
          return (this.members.get(id)?.leaves ?? []).slice(from);
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
  hello(name: string, holds: Holds = {}): void {
    this.members.set(this.bench.id(name), holds);
    this.inquiry.hello(this.bench.id(name), this.bench.grantOf(name));
  }

  /** Result of the start after that time: "waits", the code of an error, or the leaves that it takes. */
  async after(ms: number): Promise<unknown> {
    this.#result ??= this.#run();
    await this.time.run(this.time.now + ms);
    return Promise.race([this.#result, settle().then(() => 'waits')]);
  }
  #result: Promise<unknown> | undefined;
  kept: { size: number; root: string } | undefined;

  async #run(): Promise<unknown> {
    try {
      const event = await this.inquiry.run(await this.bench.paper.charter({ floor }), this.kept);
      if (event !== undefined) this.copy.send(event);
      this.inquiry.open();
      return event?.leaves ?? 'starts';
    } catch (error) {
      return (error as QuorateError).code;
    }
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
