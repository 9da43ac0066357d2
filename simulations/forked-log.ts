import { fromUtf8, toUtf8 } from '../src/protocol/base/text.ts';
import type { Signer } from '../src/protocol/documents/index.ts';
import type { Channel, ReceiveOptions } from '../src/protocol/sessions/ports.ts';
import {
  formatCheckpoint,
  MerkleTree,
  parseCheckpoint,
  signCheckpoint,
} from '../src/protocol/transparency/index.ts';
import { protocols } from '../src/protocol/wire/protocols.ts';
import type { Random } from './random.ts';

interface Message {
  kind?: string;
  note?: string;
  checkpoint?: string;
  from?: number;
  leaves?: string[];
  old?: number;
  index?: number;
  size?: number;
}

interface StoriesOptions {
  random: Random;
  project: string;
  signer: Signer;
  /** Leaves of the real log. */
  leaves: () => readonly string[];
  /** Index of the leaf that the other log has instead. */
  at: number;
}

/** A controller that signs two logs. Each start of a feed decides which one its worker is shown, on all protocols. */
export class TwoStories {
  readonly #options: StoriesOptions;
  /** Workers that are shown the other log. */
  readonly #deceived = new Set<string>();

  constructor(options: StoriesOptions) {
    this.#options = options;
  }

  /** The channel of a worker, on which it is told its story. */
  tell(protocol: string, channel: Channel): Channel {
    const { peer } = channel;
    if (protocol === protocols.feed && this.#options.random.chance(0.5)) this.#deceived.add(peer);
    else if (protocol === protocols.feed) this.#deceived.delete(peer);
    if (!this.#deceived.has(peer)) return channel;
    let asked: Message = {};
    return {
      peer,
      get closed() {
        return channel.closed;
      },
      receive: async (options?: ReceiveOptions) => {
        for (;;) {
          const bytes = await channel.receive(options);
          if (bytes === undefined) return undefined;
          asked = JSON.parse(fromUtf8(bytes)) as Message;
          // The proof does not verify under the real log.
          if (asked.kind !== 'witness') return bytes;
        }
      },
      send: async (message) => {
        const said = JSON.parse(fromUtf8(message)) as Message;
        return channel.send(toUtf8(JSON.stringify(await this.#other(said, asked))));
      },
      close: () => channel.close(),
      abort: (reason) => channel.abort(reason),
    };
  }

  async #other(said: Message, asked: Message): Promise<object> {
    const leaves = this.#options
      .leaves()
      .map((leaf, at) => (at === this.#options.at ? 'charter of another story' : leaf));
    const tree = new MerkleTree(leaves);
    switch (said.kind) {
      case 'backlog':
        return said.checkpoint === undefined
          ? said
          : { ...said, checkpoint: await this.#note(tree, said.checkpoint) };
      case 'checkpoint': {
        const note = await this.#note(tree, said.note ?? '');
        const proof = { proof: tree.consistency(asked.old ?? 0, parseCheckpoint(note).size) };
        return { ...said, note, ...('proof' in said && proof) };
      }
      case 'inclusion': {
        const { index = 0, size = 0 } = asked;
        return { ...said, leaf: leaves[index], proof: tree.inclusion(index, size) };
      }
      case 'leaves': {
        const { from = 0, leaves: shown = [] } = said;
        return { ...said, leaves: leaves.slice(from, from + shown.length) };
      }
      default:
        return said;
    }
  }

  #note(tree: MerkleTree, note: string): Promise<string> {
    const { project, signer } = this.#options;
    const { size } = parseCheckpoint(note);
    return signCheckpoint(formatCheckpoint({ project, size, root: tree.root(size) }), signer);
  }
}
