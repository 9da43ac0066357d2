import { type Answer, artifactAnswer } from './answer.ts';
import { type Asker, holderOf } from './env.ts';
import { notFound } from './errors.ts';
import { httpLimits } from './limits.ts';
import { carChunkBytes } from './prices.ts';
import { Slots } from './slots.ts';
import type { PublicView } from './views.ts';

/** Paths of a trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/): a CAR or a raw block. */
const targetPattern = /^\/ipfs\/([a-z2-7]{50,100})\?format=(car|raw)$/;
/** Serves public trees as CAR streams, each with its level, and single blocks. Clients verify the hashes. */
export class Gateway {
  readonly #view: PublicView;
  readonly #trees = new Slots({
    max: httpLimits.treesMax,
    perClientMax: httpLimits.treesPerAddressMax,
    what: 'trees',
  });

  constructor(view: PublicView) {
    this.#view = view;
  }

  /** Errors: `HTTP_NOT_FOUND`, `HTTP_BUSY`. The caller calls `release` once the answer is sent or has failed. */
  async answer(target: string, { client, outgoing }: Asker = {}): Promise<[Answer, release: () => void]> {
    const [, cid = '', format] = targetPattern.exec(target) ?? [];
    if (format === undefined) throw notFound('no such path');
    if (format === 'raw') {
      const body = await this.#view.block(cid);
      if (body === undefined) throw notFound(`there is no block ${cid} here`);
      const type = 'application/vnd.ipld.raw';
      return [
        artifactAnswer({ body, type, level: this.#view.level(cid), name: cid, extension: '.bin', id: cid }),
        () => {},
      ];
    }
    const body = this.#view.tree(cid);
    if (body === undefined) throw notFound(`there is no tree ${cid} here`);
    const release = this.#trees.take(client, holderOf(outgoing));
    const type = 'application/vnd.ipld.car; version=1; order=dfs; dups=n';
    const level = this.#view.level(cid);
    const bytes = { body, type, leastBytes: carChunkBytes };
    return [artifactAnswer({ ...bytes, level, name: cid, extension: '.car', id: cid }), release];
  }
}
