import { html } from 'hono/html';
import { escapeLine } from '../../protocol/base/escape.ts';

/** Escaped HTML, from `html`. */
export type Html = ReturnType<typeof html>;

/** Text of others on one line: no control or invisible character is left, and `html` escapes the rest. */
export const foreign = (text: string, maxChars = 300): string => escapeLine(text, maxChars);

/** `2026-11-25 14:03:07 UTC`; scripts show how long ago it is. */
export function time(ms: number): Html {
  const iso = new Date(ms).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')} UTC</time>`;
}

/** An address as text, and as a link where it is one of the web. */
export function webLink(url: string): Html {
  const text = foreign(url, 200);
  const isWeb = /^https?:\/\/[^\s"'<>\\]+$/.test(url) && URL.canParse(url);
  return isWeb ? html`<a href="${url}" rel="noreferrer nofollow">${text}</a>` : html`${text}`;
}

/** Without `refs/heads/` or `refs/tags/`. */
export const refText = (ref: string): string => foreign(ref.replace(/^refs\/(?:heads|tags)\//, ''), 80);

export const command = (text: string): Html =>
  html`<div class="command"><code tabindex="0">${text}</code></div>`;

/** A word of a shell command, quoted where it needs to be. */
export const shellWord = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
