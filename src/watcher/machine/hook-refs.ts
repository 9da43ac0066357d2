import { QuorateError } from '../../protocol/base/errors.ts';
import { isRefName } from '../../protocol/base/git-ref.ts';
import { globMatches, settingFault } from '../../protocol/base/pattern.ts';

/** Refs that a hook is for: a pattern of full names below `refs/heads/` or `refs/tags/`. */
export interface RefPattern {
  /** As given. */
  text: string;
  /** `refs/heads/main`, `refs/tags/v*`. */
  full: string;
}

const roots = ['refs/heads/', 'refs/tags/'];
const isBelow = (ref: string): boolean => roots.some((root) => ref.startsWith(root));

/** Reads a pattern. A name without `refs/` is a branch, never a tag: a hook acts on what it names. @throws `HOOK_USAGE`. */
export function parseRefPattern(text: string): RefPattern {
  const full = text.startsWith('refs/') ? text : `refs/heads/${text}`;
  const isName = isRefName(full.replaceAll(/[*?]/g, 'x')) && settingFault(full) === undefined;
  if (!isName || !isBelow(full))
    throw new QuorateError('HOOK_USAGE', `"${text.slice(0, 120)}" names no branch and no tag`, {
      hint: 'Name a branch (main, release-*), or a ref in full: refs/heads/main, refs/tags/v*. Pull requests are neither.',
    });
  return { text, full };
}

/** Whether the ref of a request is one of these: compared in full, and never anything but a branch or a tag. */
export function matchesRef(patterns: readonly RefPattern[], ref: string): boolean {
  return isRefName(ref) && patterns.some(({ full }) => globMatches(full, ref));
}
