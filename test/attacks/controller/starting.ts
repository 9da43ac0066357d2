import { standIn } from '../../../simulations/keys.ts';
import { Reader } from '../../../simulations/reader.ts';
import { Scheduler } from '../../../simulations/scheduler.ts';
import type { Controller } from '../../../src/core/controller/machine.ts';
import { type InquiryPorts, StartInquiry } from '../../../src/core/sessions/controller/start-inquiry.ts';
import { RevocationBook } from '../../../src/core/sessions/revocation-book.ts';
import { type HeldLease, knownIn, revocationServer } from '../../../src/core/sessions/revocation-exchange.ts';
import { formatCheckpoint, signCheckpoint } from '../../../src/core/transparency/index.ts';
import { Bench } from '../../core/controller/bench.ts';
import { pair } from '../../core/sessions/channel-pair.ts';

export const minute = 60_000;
export const floor = { agree: 2, of: 2, cosign: 'none' as const, rounds: 8 };

export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

/** Documents that a member shows. */
export interface Shows {
  note?: string;
  leaves?: (from: number) => Promise<readonly string[]>;
  leases?: HeldLease[];
  revocations?: RevocationBook;
  charter?: string;
  /** It answers nothing. */
  isSilent?: true;
}

export type Make = (id: string, idp: string) => Controller;

/** A controller that starts from the first `events` of a journal, and members that show what the attacker likes. */
export class Start {
  readonly bench: Bench;
  readonly copy: Bench;
  readonly time = new Scheduler(settle);
  readonly inquiry: StartInquiry;
  readonly stopped: string[] = [];
  readonly asked: string[] = [];
  readonly #members = new Map<string, Shows>();
  #result: Promise<unknown> | undefined;

  constructor(bench: Bench, events: number, make?: Make) {
    this.bench = bench;
    this.copy = make === undefined ? new Bench() : new Bench(make);
    this.copy.journal.push(...bench.journal.slice(0, events));
    this.copy.now = bench.now;
    this.copy.replay();
    const { project, controller } = bench.paper;
    const { time } = this;
    const ports: Partial<InquiryPorts> = {
      project,
      signing: { signer: controller, documents: new Reader(standIn.verifier), nonce: () => '' },
      machine: this.copy.controller,
      clock: {
        ...{ now: () => time.now, monotonic: () => time.now, endOfTurn: queueMicrotask },
        ...{ after: (ms, act) => time.after(ms, act), closing: false, onClosing: () => () => {} },
      },
      tell: () => {},
      stop: ({ code }) => this.stopped.push(code),
      dial: async ({ id }) => {
        const [near, far] = pair();
        void this.#serve(id ?? '', far);
        return near;
      },
      ...{ alone: false, journalLost: false },
    };
    this.inquiry = new StartInquiry(ports as InquiryPorts);
    this.inquiry.take = async (event) => void this.copy.send(event);
    this.inquiry.revoke = async (revocation) => {
      this.copy.send({ kind: 'revoke', token: this.copy.token('revoke'), revocation });
    };
  }

  async #serve(id: string, channel: ReturnType<typeof pair>[1]): Promise<void> {
    this.asked.push(id);
    const shows = this.#members.get(id) ?? {};
    if (shows.isSilent) return;
    const { project } = this.bench.paper;
    const charter = shows.charter ?? this.bench.controller.state.charter?.raw ?? '';
    await revocationServer({
      ...knownIn(shows.revocations ?? (await RevocationBook.open(project, standIn.verifier))),
      checkpoint: () => shows.note,
      atStart: {
        isController: () => true,
        held: () => ({ charter, leases: shows.leases ?? [] }),
        leaves: shows.leaves ?? (async () => []),
      },
    }).session(channel);
  }

  /** A checkpoint of the log before the copy was put back. */
  note(size = this.bench.controller.state.log.size): Promise<string> {
    const { project, controller } = this.bench.paper;
    const { log } = this.bench.controller.state;
    return signCheckpoint(formatCheckpoint({ project, size, root: log.root(size) }), controller);
  }

  /** An honest trusted worker's. */
  kept = async (from: number): Promise<readonly string[]> =>
    this.bench.controller.state.log.leaves(from, this.bench.controller.state.log.size);

  hello(name: string, shows: Shows = {}, grant = this.bench.grantOf(name)): void {
    this.#members.set(this.bench.id(name), shows);
    this.inquiry.hello(this.bench.id(name), grant);
  }

  /** A book with all revocations of the project. */
  async book(): Promise<RevocationBook> {
    const { project } = this.bench.paper;
    const book = await RevocationBook.open(project, standIn.verifier);
    const { charter, revocations } = this.bench.controller.state;
    await book.learn({
      charters: charter === null ? [] : [charter.raw],
      revocations: revocations.map(({ revocation }) => revocation.raw),
    });
    return book;
  }

  /** After that time it waits, has stopped with a code, or has started. */
  async after(ms: number): Promise<unknown> {
    this.#result ??= this.#run();
    await this.time.run(this.time.now + ms);
    return Promise.race([this.#result, settle().then(() => 'waits')]);
  }

  async #run(): Promise<unknown> {
    try {
      const event = await this.inquiry.run(await this.bench.paper.charter({ floor }));
      if (event !== undefined) this.copy.send(event);
      await this.copy.start({ floor });
      this.inquiry.open();
      return 'started';
    } catch (error) {
      return (error as { code: string }).code;
    }
  }

  get state(): Controller['state'] {
    return this.copy.controller.state;
  }
}

/** A project of a trusted worker, `ada`, `bob`, and what `after` the copy comes to. */
export async function project(
  after: (bench: Bench) => Promise<void> = async () => {},
  make?: Make,
): Promise<Start> {
  const bench = new Bench();
  await bench.start({ floor });
  await bench.members('trusted', 'ada', 'bob');
  const { length } = bench.journal;
  await after(bench);
  const start = new Start(bench, length, make);
  await start.after(0);
  return start;
}
