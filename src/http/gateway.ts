import { QuorateError } from '../core/errors.ts';
import type { PublicView } from '../runtime/controller/public-view.ts';
import { notFound } from './errors.ts';
import { httpLimits } from './limits.ts';
import type { Answer } from './routes.ts';

/** Paths of a trustless gateway (https://specs.ipfs.tech/http-gateways/trustless-gateway/): a CAR or a raw block. */
const targetPattern = /^\/ipfs\/([a-z2-7]{50,100})\?format=(car|raw)$/;
/** A level may change. */
const revalidate = 'no-cache';
const forever = 'public, max-age=29030400, immutable';

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
      const etag = `"${cid}.raw"`;
      return [{ body, etag, type, cache: forever, fileName: `${cid}.bin` }, () => {}];
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
    // Nothing that may still fall is named or cached as if it were final.
    const [name, cache] = level === 'trusted' ? [`${cid}.car`, forever] : [`${cid}.${level}.car`, revalidate];
    return [{ body, etag: `"${name}"`, type, cache, fileName: name, level }, release];
  }
}
