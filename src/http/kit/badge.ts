import { Hono } from 'hono';
import { html } from 'hono/html';
import type { AccountFacts } from '../../protocol/account/index.ts';
import { stateOfAll, type WholeState } from '../../protocol/account/whole-state.ts';
import { isRefName } from '../../protocol/base/git-ref.ts';
import { answerWith, etagOf } from '../answer.ts';
import type { HttpEnv } from '../env.ts';

/** State of the newest publication of a branch or tag. */
interface BadgeFacts {
  /** Only `trusted` is green; `unknown` for what is not watched. */
  level: WholeState | 'unknown';
  /** Full commit id; null where nothing was published. */
  commit: string | null;
}

export interface BadgePorts {
  /** `ref` is the full name of a branch or tag; undefined where it is not watched. */
  badge(ref: string): BadgeFacts | undefined;
  label: string;
}

/** White text on each has a contrast of at least 4.5. */
const colours: Record<BadgeFacts['level'], string> = {
  trusted: '#1a7f37',
  agreed: '#8a5a00',
  differs: '#b42318',
  failed: '#b42318',
  aborted: '#b42318',
  disputed: '#b42318',
  unfinished: '#b42318',
  revoked: '#b42318',
  lost: '#57606a',
  cancelled: '#57606a',
  pending: '#57606a',
  none: '#57606a',
  unknown: '#57606a',
};

const commitChars = 8;
/** About what a character of 11 pixels takes in the fonts that are named. */
const charPixels = 6.6;
const padPixels = 12;

/** An SVG image without scripts, styles and links. */
function badgeSvg(label: string, { level, commit }: BadgeFacts): string {
  const says = commit === null ? level : `${level} ${commit.slice(0, commitChars)}`;
  const [left, right] = [label, says].map((text) => Math.round([...text].length * charPixels + padPixels));
  const [a, b] = [left ?? 0, right ?? 0];
  const text = (x: number, width: number, words: string) =>
    html`<text x="${x}" y="14" textLength="${width - padPixels}" lengthAdjust="spacingAndGlyphs">${words}</text>`;
  return String(
    html`<svg xmlns="http://www.w3.org/2000/svg" width="${a + b}" height="20" viewBox="0 0 ${a + b} 20" role="img" aria-label="${label}: ${says}"><title>${label}: ${says}</title><rect width="${a + b}" height="20" rx="3" fill="#24292f"/><rect x="${a}" width="${b}" height="20" rx="3" fill="${colours[level]}"/><rect x="${a}" width="4" height="20" fill="${colours[level]}"/><g fill="#ffffff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">${text(padPixels / 2, a, label)}${text(a + padPixels / 2, b, says)}</g></svg>`,
  );
}

/**
 * `GET /badge.svg?ref=main`: a short name is a branch, `refs/tags/v1` a tag. An image with status 200 whatever is asked for: GitHub's proxy of
 * images shows a broken one for any other status.
 */
export function badgeApp({ badge, label }: BadgePorts): Hono<HttpEnv> {
  return new Hono<HttpEnv>().get('/badge.svg', async (c) => {
    const given = c.req.query('ref') ?? '';
    const ref = given.startsWith('refs/') ? given : `refs/heads/${given}`;
    const facts = isRefName(ref) ? badge(ref) : undefined;
    const body = Buffer.from(badgeSvg(label, facts ?? { level: 'unknown', commit: null }));
    const type = 'image/svg+xml; charset=utf-8';
    // A level may fall: proxies of forges are not to keep it.
    const cache = 'no-cache, max-age=0';
    return answerWith(c, { body, type, cache, etag: await etagOf(body) }, () => {});
  });
}

export const badgeOfBranch = (branch: { jobs: readonly AccountFacts[]; commit: string }): BadgeFacts => ({
  level: stateOfAll(branch.jobs),
  commit: branch.commit,
});
