import { codeOf } from '../../../src/core/errors.ts';
import type { Channel, Dial } from '../../../src/core/sessions/ports.ts';
import type { WitnessState } from '../../../src/core/sessions/worker/checkpoint-book.ts';
import { LogWitness } from '../../../src/core/sessions/worker/log-witness.ts';
import type { WorkerPorts } from '../../../src/core/sessions/worker/ports.ts';
import { fromUtf8 } from '../../../src/core/text.ts';
import { formatCheckpoint, MerkleTree, signCheckpoint } from '../../../src/core/transparency/index.ts';
import { type ApiUp, encodeMessage } from '../../../src/core/wire/messages.ts';
import { signingOf } from '../../../src/runtime/node/ports.ts';
import { at, controller, project, testKey } from '../../support/project.ts';

/** A log of the project, with its key. A fork is another one that begins with the same leaves. */
export class TestLog {
  readonly tree: MerkleTree;

  constructor(leaves: readonly string[]) {
    this.tree = new MerkleTree(leaves);
  }

  note(size = this.tree.size): Promise<string> {
    return signCheckpoint(formatCheckpoint({ project, size, root: this.tree.root(size) }), controller.signer);
  }

  /** What an honest controller of this log answers. */
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
        default:
          throw new Error(`a test log answers no ${question.kind}`);
      }
    } catch (error) {
      return { kind: 'error', code: codeOf(error), message: 'no' };
    }
  }
}

export const leafTexts = (from: number, to: number, of = 'leaf'): string[] =>
  Array.from({ length: to - from }, (_, n) => `${of} ${from + n}`);

/** A log of eight leaves, and one that differs from the sixth on. */
export const honest = () => new TestLog(leafTexts(0, 8));
export const forked = () => new TestLog([...leafTexts(0, 5), ...leafTexts(5, 9, 'other')]);

/** A worker as a witness, what it keeps on its disk, and the controller that it asks. */
export class WitnessBench {
  stored: WitnessState | undefined;
  readonly told: { code: unknown; says: string }[] = [];
  readonly asked: ApiUp[] = [];
  readonly key = testKey('witness');
  now = at * 1000;
  /** What the controller answers; throws where it cannot be reached. */
  answer: (question: ApiUp) => Promise<object>;
  witness: LogWitness;

  constructor(log: TestLog) {
    this.answer = (question) => log.answer(question);
    this.witness = this.restart();
  }

  /** Another life of the process. */
  restart(): LogWitness {
    const ports = {
      signing: signingOf(this.key.signer),
      clock: { now: () => this.now, closing: false },
      credentials: {
        membership: { project, controllers: [{ id: controller.id, addrs: [] }] },
        charter: { log: controller.id },
      },
      dial: this.#dial,
      witnessFile: {
        load: async () => this.stored,
        save: async (state: WitnessState) => {
          this.stored = structuredClone(state);
        },
      },
      subscribe: () => {},
      tell: (_level: string, _kind: string, says: string, data?: { code?: unknown }) =>
        this.told.push({ code: data?.code, says }),
    } as unknown as WorkerPorts;
    this.witness = new LogWitness(ports);
    return this.witness;
  }

  readonly #dial: Dial = async () => {
    const answers: Promise<object>[] = [];
    const channel: Channel = {
      peer: controller.id,
      closed: false,
      send: async (message) => {
        const question = JSON.parse(fromUtf8(message)) as ApiUp;
        this.asked.push(question);
        answers.push(this.answer(question));
      },
      receive: async () => {
        const answer = await answers.shift();
        return answer === undefined ? undefined : encodeMessage(answer);
      },
      close: async () => {},
      abort: () => {},
    };
    return channel;
  };
}
