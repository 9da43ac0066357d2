import { QuorateError } from '../core/errors.ts';
import type { PublicView } from '../runtime/controller/public-view.ts';
import { type Answer, artifactAnswer } from './answer.ts';
import { notFound } from './errors.ts';
import { httpLimits } from './limits.ts';

/** Paths of a trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/): a CAR or a raw block. */
const targetPattern = /^\/ipfs\/([a-z2-7]{50,100})\?format=(car|raw)$/;
/** Serves public trees as CAR streams, each with its level, and single blocks. Clients verify the hashes. */
export class Gateway {
  readonly #view: PublicView;
  #trees = 0;

  constructor(view: PublicView) {
    this.#view = view;
  }

  /** Errors: `HTTP_NOT_FOUND`, `HTTP_BUSY`. The caller calls `release` once the answer is sent or has failed. */
  async answer(target: string): Promise<[Answer, release: () => void]> {
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
    if (this.#trees >= httpLimits.treesMax)
      throw new QuorateError('HTTP_BUSY', 'too many trees are being sent; try again in a moment');
    const body = this.#view.tree(cid);
    if (body === undefined) throw notFound(`there is no tree ${cid} here`);
    this.#trees++;
    const type = 'application/vnd.ipld.car; version=1; order=dfs; dups=n';
    let held = true;
    const release = () => {
      if (held) this.#trees--;
      held = false;
    };
    const level = this.#view.level(cid);
    return [artifactAnswer({ body, type, level, name: cid, extension: '.car', id: cid }), release];
  }
}
