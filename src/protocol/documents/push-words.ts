import { withoutControl } from '../base/text.ts';
import type { More } from './growth.ts';
import { documentLimits } from './limits.ts';

/** The publisher's word on the push that a request belongs to, in the request's `more`. People read it; nothing is decided by it. */
export interface PushWords {
  /** The same in all requests that were published together. */
  push?: string;
  /** First line of the commit's message. */
  subject?: string;
  /** Name of the commit's author. */
  author?: string;
}

const { subjectCharsMax, authorCharsMax, pushIdCharsMax } = documentLimits;

/** The member `more` for these words; undefined where there are none. */
export function moreOfPush({ push, ...words }: PushWords): More | undefined {
  const commit = shortened(words);
  const more = { ...(push !== undefined && { push }), ...(Object.keys(commit).length > 0 && { commit }) };
  return Object.keys(more).length === 0 ? undefined : more;
}

/** Words in a request, within the same bounds; anything of another shape is left out. */
export function pushWordsIn({ more = {} }: { more?: More | undefined }): PushWords {
  const { push, commit } = more;
  return {
    ...(typeof push === 'string' && isPushId(push) && { push }),
    ...(isRecord(commit) && shortened(commit)),
  };
}

function shortened({ subject, author }: { subject?: unknown; author?: unknown }): Omit<PushWords, 'push'> {
  const [line, name] = [oneLine(subject, subjectCharsMax), oneLine(author, authorCharsMax)];
  return { ...(line !== undefined && { subject: line }), ...(name !== undefined && { author: name }) };
}

const isPushId = (text: string): boolean => text.length <= pushIdCharsMax && /^[\w-]{8,}$/.test(text);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** Space that is not one blank between two words. */
const unevenSpace = /^\s|\s$|\s\s|[^\S ]/u;

/** Text on one line, without what `withoutControl` refuses, cut visibly; undefined where nothing is left. */
function oneLine(text: unknown, charsMax: number): string | undefined {
  if (typeof text !== 'string') return undefined;
  // Nearly all texts: a page asks for hundreds of them.
  if (text !== '' && text.length <= charsMax && isShown(text) && !unevenSpace.test(text)) return text;
  // Cut first: the work done is bounded whatever arrives.
  const kept = [...text.slice(0, 4 * charsMax)].map((char) => (isShown(char) ? char : ' ')).join('');
  const line = kept.replace(/\s+/gu, ' ').trim();
  if (line === '') return undefined;
  if (line.length <= charsMax) return line;
  // No half of a character stays at the cut.
  return `${line
    .slice(0, charsMax - 1)
    .replace(/\p{Surrogate}$/u, '')
    .trimEnd()}…`;
}

const isShown = (char: string): boolean => withoutControl.test(char) && !/\p{Surrogate}/u.test(char);
