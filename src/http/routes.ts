import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { PublicView } from '../runtime/controller/public-view.ts';
import { type Answer, etagOf, revalidate } from './answer.ts';
import { notFound } from './errors.ts';
import { httpLimits } from './limits.ts';

/** Time for which a list is cached. */
const freshMs = 250;
/** The lists of a project, by the end of their paths. */
export const feedLists = ['offers', 'verdicts', 'charter', 'revocations', 'checkpoint'] as const;
const pathPattern = new RegExp(
  `^/v1/([A-Za-z0-9]{40,64})/(?:(${feedLists.join('|')})|(offers|revocations)\\?after=([0-9a-f]{64})|bundle/([a-z0-9]{10,100}))$`,
);

/**
 * The paths below `/v1/<project>`. The request target is matched as received, neither decoded nor normalized; any other
 * path, and any other query than that of the offers and revocations, is not found.
 */
export class Routes {
  readonly #view: PublicView;
  readonly #kept = new Map<string, { answer: Answer; until: number }>();
  #bundles = 0;

  constructor(view: PublicView) {
    this.#view = view;
  }

  /** Errors: `HTTP_NOT_FOUND`, `HTTP_BUSY`. The caller calls `release` once the answer is sent or has failed. */
  async answer(target: string, now: number): Promise<[Answer, release: () => void]> {
    const [, project, list, next, after, which] = pathPattern.exec(target) ?? [];
    if (project !== this.#view.project) throw notFound('no such path');
    if (which !== undefined) return this.#bundle(which);
    const kept = this.#kept.get(target);
    if (kept !== undefined && now < kept.until) return [kept.answer, () => {}];
    const answer = answerOf(this.#list(String(list ?? next), after));
    this.#kept.delete(target);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= httpLimits.listsKeptMax && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(target, { answer, until: now + freshMs });
    return [answer, () => {}];
  }

  #list(name: string, after: string | undefined): string {
    if (name === 'offers') return boundedList(this.#view.offers(after));
    if (name === 'verdicts') return boundedList(this.#view.verdicts());
    if (name === 'revocations') return JSON.stringify(this.#view.revocations(after));
    if (name === 'checkpoint') {
      const notice = this.#view.checkpoint();
      if (notice === undefined) throw notFound('there is no checkpoint yet');
      return JSON.stringify(notice);
    }
    const charter = this.#view.charter();
    if (charter === undefined) throw notFound('there is no charter yet');
    return JSON.stringify({ charter });
  }

  async #bundle(which: string): Promise<[Answer, () => void]> {
    if (this.#bundles >= httpLimits.bundlesMax)
      throw new QuorateError('HTTP_BUSY', 'too many bundles are being sent; try again in a moment');
    this.#bundles++;
    let held = true;
    const release = () => {
      if (held) this.#bundles--;
      held = false;
    };
    try {
      const bundle = await this.#view.bundle(which);
      if (bundle === undefined) throw notFound(`there is no bundle of ${which}, or none yet`);
      return [answerOf(bundle), release];
    } catch (error) {
      release();
      throw error;
    }
  }
}

const json = { type: 'application/json; charset=utf-8', cache: revalidate };

function answerOf(text: string): Answer {
  const body = Buffer.from(text);
  return { ...json, body, etag: etagOf(body) };
}

/** A JSON array of the first items that fit into `limits.feedBytesMax`. */
function boundedList(items: readonly unknown[]): string {
  const kept: string[] = [];
  let bytes = 2;
  for (const item of items) {
    const text = JSON.stringify(item);
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > limits.feedBytesMax) break;
    kept.push(text);
  }
  return `[${kept.join(',')}]`;
}
