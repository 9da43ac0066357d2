import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { signingOf } from '../../../src/node/ports.ts';
import { codeOf, QuorateError } from '../../../src/protocol/base/errors.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import type { Accepts, Channel, Dial } from '../../../src/protocol/sessions/ports.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import { knownIn, revocationServer } from '../../../src/protocol/sessions/revocation-exchange.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { type ApiUp, encodeMessage } from '../../../src/protocol/wire/messages.ts';
import type { WitnessState } from '../../../src/worker/sessions/checkpoint-book.ts';
import { DraftChecks } from '../../../src/worker/sessions/draft-checks.ts';
import { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { Neighbours } from '../../../src/worker/sessions/worker-sessions.ts';
import { at, controller, log, makeCharter, noteOf, project, root, testKey } from '../../support/project.ts';

/** A log of the project, with its key. A fork is another one that begins with the same leaves. */
export class TestLog {
  readonly tree: MerkleTree;

  constructor(leaves: readonly string[]) {
    this.tree = new MerkleTree(leaves);
  }

  note(size = this.tree.size): Promise<string> {
    return noteOf(this.tree, log, size);
  }

  /** The answer of an honest controller of this log. */
  async answer(question: ApiUp): Promise<object> {
    try {
      switch (question.kind) {
        case 'checkpoint': {
          const size = question.size ?? this.tree.size;
          const proof = this.tree.consistency(question.old, size);
          return { kind: 'checkpoint', note: await this.note(size), proof };
        }
        case 'inclusion': {
          const proof = this.tree.inclusion(question.index, question.size);
          const [leaf = ''] = this.tree.leaves(question.index, question.index + 1);
          return { kind: 'inclusion', leaf, proof };
        }
        case 'log': {
          const { from } = question;
          const leaves = this.tree.leaves(from, Math.min(this.tree.size, from + leavesAtOnce));
          return { kind: 'leaves', from, size: this.tree.size, leaves };
        }
        default:
          throw new Error(`a test log answers no ${question.kind}`);
      }
    } catch (error) {
      return { kind: 'error', code: codeOf(error), message: 'no' };
    }
  }
}

/** Leaves in one answer. */
const leavesAtOnce = 4;

export const leafTexts = (from: number, to: number, of = 'leaf'): string[] =>
  Array.from({ length: to - from }, (_, n) => `${of} ${from + n}`);

/** A log of eight leaves, and one that differs from the sixth on. */
export const honest = () => new TestLog(leafTexts(0, 8));
export const forked = () => new TestLog([...leafTexts(0, 5), ...leafTexts(5, 9, 'other')]);

/** A worker as a witness, what it keeps on its disk, and the controller that it asks. */
export class WitnessBench {
  stored: WitnessState | undefined;
  storedEvidence: StoredRevocations | undefined;
  /** Leaves of the log on its disk. */
  leaves: readonly string[] = [];
  readonly gossiped: string[] = [];
  /** By topic: what it makes of a message. */
  readonly accepts = new Map<string, Accepts>();
  /** By topic: what takes its messages. */
  readonly hears = new Map<string, (data: Uint8Array) => void>();
  isDiskFull = false;
  revocations!: RevocationBook;
  feed!: RevocationFeed;
  charter = '';
  trusted: readonly string[] = [];
  readonly told: { code: unknown; says: string }[] = [];
  readonly asked: ApiUp[] = [];
  readonly key: NodeKey;
  neighbours: WitnessBench[] = [];
  now = at * 1000;
  /** Writes of what it keeps of the log. */
  saves = 0;
  /** The controller's answer; throws where it cannot be reached. */
  answer: (question: ApiUp) => Promise<object>;
  witness!: LogWitness;

  private constructor(of: TestLog, name: string) {
    this.key = testKey(name);
    this.answer = (question) => of.answer(question);
  }

  /** `trusted`: names of the trusted workers of the project. */
  static async open(of: TestLog, name = 'witness', trusted: readonly string[] = []): Promise<WitnessBench> {
    const bench = new WitnessBench(of, name);
    bench.trusted = trusted.map((one) => testKey(one).id);
    const charter = { ...makeCharter(), trusted: [...bench.trusted] };
    bench.charter = (await signMessage('charter', charter, root.signer)).raw;
    await bench.restart();
    return bench;
  }

  /** Another life of the process. */
  async restart(): Promise<void> {
    this.revocations = await RevocationBook.open(
      project,
      joseVerifier,
      {
        load: async () => this.storedEvidence,
        save: async (stored) => {
          if (this.isDiskFull) throw new QuorateError('HOME_UNWRITABLE', 'the disk is full');
          this.storedEvidence = structuredClone(stored);
        },
      },
      ({ message }) => this.told.push({ code: 'unsaved', says: message }),
    );
    this.feed = new RevocationFeed(this.#ports());
    this.witness = new LogWitness(this.#ports(), this.feed);
  }

  /** Its checks before it signs a verdict. */
  get checks(): DraftChecks {
    return new DraftChecks(this.#ports(), this.feed, this.witness);
  }

  #ports(): WorkerPorts {
    return {
      signing: signingOf(this.key.signer),
      clock: {
        now: () => this.now,
        monotonic: () => this.now,
        closing: false,
      },
      neighbours: () => this.neighbours.map(({ key }) => key.id),
      credentials: {
        membership: { project, charter: this.charter, controllers: [{ id: controller.id, addrs: [] }] },
        controller: { id: controller.id, addrs: [] },
        charter: { log: log.id, controllers: [controller.id], trusted: this.trusted },
      },
      dial: this.#dial,
      witnessFile: {
        load: async () => this.stored,
        save: async (state: WitnessState) => {
          this.saves++;
          this.stored = structuredClone(state);
        },
      },
      leafFile: {
        load: async () => [...this.leaves],
        append: async (more: readonly string[]) => {
          this.leaves = [...this.leaves, ...more];
        },
      },
      revocations: this.revocations,
      subscribe: (topic: string, accepts: Accepts, hear: (data: Uint8Array) => void) => {
        this.accepts.set(topic, accepts);
        this.hears.set(topic, hear);
      },
      publish: async (topic: string) => void this.gossiped.push(topic),
      tell: (_level: string, _kind: string, says: string, data?: { code?: unknown }) =>
        this.told.push({ code: data?.code, says }),
    } as unknown as WorkerPorts;
  }

  /** Reaches the controller, and the workers in `neighbours`. */
  readonly #dial: Dial = async ({ id }) => {
    const neighbour = this.neighbours.find(({ key }) => key.id === id);
    return neighbour === undefined
      ? answering(controller.id, (question) => {
          this.asked.push(question as ApiUp);
          return this.answer(question as ApiUp);
        })
      : served(neighbour.key.id, (channel) => neighbour.#serve(channel));
  };

  #serve(channel: Channel): Promise<void> {
    const known = {
      ...knownIn(this.revocations),
      checkpoint: () => this.witness.newest,
    };
    return revocationServer(known).session(channel);
  }

  /** Asks its neighbours once. */
  talk(): Promise<void> {
    return this.talking().talk();
  }

  /** Asks them in turn. */
  talking(): { talk(): Promise<void> } {
    const neighbours = new Neighbours(this.#ports(), this.witness, this.feed);
    return { talk: () => neighbours.look() };
  }
}

/** A channel whose messages are answered one by one. */
function answering(peer: string, answer: (question: unknown) => Promise<object>): Channel {
  const answers: Promise<object>[] = [];
  return {
    peer,
    closed: false,
    send: async (message) => void answers.push(answer(JSON.parse(fromUtf8(message)))),
    receive: async () => {
      const found = await answers.shift();
      return found === undefined ? undefined : encodeMessage(found);
    },
    close: async () => {},
    abort: () => {},
  };
}

/** A channel to a server of one question. */
function served(peer: string, serve: (channel: Channel) => Promise<void>): Channel {
  let question: Uint8Array | undefined;
  let answer: Uint8Array | undefined;
  const far: Channel = {
    peer,
    closed: false,
    send: async (message) => {
      answer = message;
    },
    receive: async () => {
      const asked = question;
      question = undefined;
      return asked;
    },
    close: async () => {},
    abort: () => {},
  };
  return {
    ...far,
    send: async (message) => {
      question = message;
      await serve(far);
    },
    receive: async () => {
      const found = answer;
      answer = undefined;
      return found;
    },
  };
}
