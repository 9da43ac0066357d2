import { limits } from '../base/limits.ts';
import type { RevocationList } from '../judge/index.ts';
import { sessionLimits } from './limits.ts';

/** A revocation, and the charter that names its signer; null for one by the root. */
export interface KnownRevocation {
  /** `payload`: absent where this version cannot read it. */
  revocation: { id: string; raw: string; signer: string; payload?: { what: { kind: string } } };
  charter: string | null;
}

/** Revocations in one message. `next`: id of the last one in it, where more follow. */
export interface RevocationPage extends RevocationList {
  next?: string | undefined;
}

/** All of them, and one charter for each key that signed some. */
export function listOf(known: readonly KnownRevocation[]): RevocationList {
  const charters = new Map<string, string>();
  for (const { revocation, charter } of known)
    if (charter !== null && !charters.has(revocation.signer)) charters.set(revocation.signer, charter);
  return {
    charters: [...new Set(charters.values())],
    revocations: known.map(({ revocation }) => revocation.raw),
  };
}

/**
 * Those that follow one with this id, or the first ones, also where that one is known no more. What this version cannot read of the
 * root, and keys that it ended, are told first, then what else the root revoked: whoever has stolen another key cannot keep these back.
 */
export function pageOf(known: readonly KnownRevocation[], after?: string): RevocationPage {
  const ordered = [0, 1, 2].flatMap((rank) => known.filter((one) => rankOf(one) === rank));
  const first = after === undefined ? 0 : ordered.findIndex(({ revocation }) => revocation.id === after) + 1;
  const page: KnownRevocation[] = [];
  const charters = new Map<string, string>();
  let chars = 0;
  for (const one of ordered.slice(first)) {
    const { revocation, charter } = one;
    const more = charter === null || charters.has(revocation.signer) ? '' : charter;
    chars += revocation.raw.length + more.length;
    const isFull =
      page.length >= limits.revocationsMax ||
      (more !== '' && charters.size >= limits.revocationChartersMax) ||
      (chars > sessionLimits.revocationPageCharsMax && page.length > 0);
    if (isFull) return { ...listOf(page), next: page.at(-1)?.revocation.id };
    if (more !== '') charters.set(revocation.signer, more);
    page.push(one);
  }
  return listOf(page);
}

function rankOf({ revocation, charter }: KnownRevocation): number {
  if (charter !== null) return 2;
  return revocation.payload === undefined || revocation.payload.what.kind === 'key' ? 0 : 1;
}

export function withEvidence(list: RevocationPage, equivocations: readonly string[]): RevocationPage {
  return equivocations.length > 0 ? { ...list, equivocations } : list;
}
