// Patterns of names of refs and of paths: one dialect for job files, watch.toml, hooks and stores (docs/pipelines.md, ADR 0094). Requests
// are signed over such patterns and verified again: their meaning never changes.

/** A part of a pattern: one character, or a wildcard. */
type Token = { char: string } | 'one' | 'star' | 'deep' | 'any-folders' | 'folders';

/** Characters with a meaning in patterns of other tools, refused here so that no pattern means something else than it seems to. */
const refused = /[[\]{}!\\]/;

/** The error in a pattern; undefined when it is valid. */
export function globFault(pattern: string): string | undefined {
  const [found] = refused.exec(pattern) ?? [];
  if (found !== undefined) return `"${found}" has no meaning in a pattern: *, ** and ? have`;
  if (/^\.?\//.test(pattern)) return 'a pattern begins with a name, not with "/" or "./"';
  return undefined;
}

/** The same of a setting or an option, which are in no signed document: lists of alternatives (`@(a|b)`) are refused as well. */
export function settingFault(pattern: string): string | undefined {
  const [found] = /[@+*?]\(|\|/.exec(pattern) ?? [];
  if (found !== undefined)
    return `"${found}" has no meaning in a pattern: give each alternative as a pattern`;
  return globFault(pattern);
}

/** Positions in patterns that may still be looked at. */
export interface GlobWork {
  left: number;
}

/** Reads a pattern once, for many texts. */
export function globMatcher(pattern: string): (text: string, work?: GlobWork) => boolean {
  const tokens = tokensOf(pattern);
  return (text, work = { left: 0 }) => tokensMatch(tokens, text, work);
}

/**
 * Whether a path or ref matches as a whole. `*`: any characters but "/"; `?`: one of these; `**`: any; with a "/" behind: any folders.
 * Takes time in proportion to pattern × text.
 */
export const globMatches = (pattern: string, text: string): boolean => globMatcher(pattern)(text);

/** Whether a pattern matches a ref: its full name where the pattern begins with `refs/`, else the name of a branch or tag. */
export function refMatches(pattern: string, ref: string): boolean {
  if (pattern.startsWith('refs/')) return globMatches(pattern, ref);
  const [, short] = /^refs\/(?:heads|tags)\/(.+)$/s.exec(ref) ?? [];
  return short !== undefined && globMatches(pattern, short);
}

function tokensMatch(tokens: readonly Token[], text: string, work: GlobWork): boolean {
  let open = closure(tokens, new Set([0]));
  for (const char of text) {
    work.left -= open.size;
    const next = new Set<number>();
    for (const at of open) {
      const token = tokens[at];
      if (token === undefined) continue;
      if (token === 'star' && char !== '/') next.add(at);
      else if (token === 'deep') next.add(at);
      else if (token === 'folders') {
        next.add(at);
        if (char === '/') next.add(at + 1);
      } else if (token === 'one' && char !== '/') next.add(at + 1);
      else if (typeof token === 'object' && token.char === char) next.add(at + 1);
    }
    if (next.size === 0) return false;
    open = closure(tokens, next);
  }
  return open.has(tokens.length);
}

/** Adds the positions that are reached without a character. */
function closure(tokens: readonly Token[], positions: Set<number>): Set<number> {
  // A set that grows while it is walked: each position once.
  for (const at of positions) {
    const token = tokens[at];
    if (token === 'star' || token === 'deep') positions.add(at + 1);
    // Into the folders, or past them.
    if (token === 'any-folders') positions.add(at + 1).add(at + 2);
  }
  return positions;
}

function tokensOf(pattern: string): Token[] {
  const parts = pattern.match(/(?<=^|\/)\*\*\/|\*\*+|./gsu) ?? [];
  return parts.flatMap((part): Token[] => {
    if (part === '**/') return ['any-folders', 'folders'];
    if (part.startsWith('**')) return ['deep'];
    if (part === '*') return ['star'];
    return [part === '?' ? 'one' : { char: part }];
  });
}
