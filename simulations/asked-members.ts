import { reportedError } from '../src/protocol/base/errors.ts';
import { fromUtf8 } from '../src/protocol/base/text.ts';
import type { Channel, Dial, Documents } from '../src/protocol/sessions/ports.ts';
import type { Node } from './network.ts';
import type { Answer } from './observer.ts';
import type { Surroundings } from './process.ts';
import type { WorkerNode } from './worker-node.ts';

/** Observes what a controller hears of its members at its start: those that answered all that it asks. */
export class AskedMembers {
  readonly answers: Answer[] = [];
  readonly #notes = new Map<string, string | null>();
  readonly #documents: Documents;

  constructor(documents: Documents) {
    this.#documents = documents;
  }

  /** Dials members from a controller's nth life. What becomes of these messages moves no other draws. */
  dialOf(
    controller: Node,
    { network, random }: Surroundings,
    members: () => readonly WorkerNode[],
    life: number,
  ): Dial {
    const luck = random.fork(`inquiry of life ${life}`);
    return async ({ id }, protocol) => {
      const member = members().find((node) => node.id === id);
      if (member === undefined) throw reportedError('MESH_UNREACHABLE', 'there is no such worker');
      return this.#tap(member, await network.dial(controller, member, protocol, luck));
    };
  }

  #tap(worker: WorkerNode, channel: Channel): Channel {
    return {
      peer: channel.peer,
      get closed() {
        return channel.closed;
      },
      receive: async (options) => {
        const bytes = await channel.receive(options);
        if (bytes !== undefined) await this.#hear(worker, JSON.parse(fromUtf8(bytes)) as Said);
        return bytes;
      },
      send: (message) => channel.send(message),
      close: () => channel.close(),
      abort: (reason) => channel.abort(reason),
    };
  }

  async #hear({ id, promises: held }: WorkerNode, said: Said): Promise<void> {
    if (said.kind === 'checkpoint') this.#notes.set(id, said.note ?? null);
    if (said.kind !== 'held') return;
    const promises: Answer['promises'][number][] = [];
    for (const { ack, index, leaf } of [...held]) {
      const { signer } = await this.#documents.message('ack', ack);
      promises.push({ by: signer, index, leaf });
    }
    const fences: Answer['fences'][number][] = [];
    for (const { lease } of said.leases ?? []) {
      const { payload, signer } = await this.#documents.message('lease', lease);
      fences.push({ by: signer, ...payload.fence });
    }
    this.answers.push({ worker: id, note: this.#notes.get(id) ?? null, promises, fences });
  }
}

interface Said {
  kind: string;
  note?: string | null;
  leases?: { lease: string }[];
}
