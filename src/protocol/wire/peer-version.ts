import { z } from 'zod';
import { isBelow } from '../base/least-version.ts';
import { type DocumentKind, documentVersions } from '../documents/index.ts';
import { wireLimits } from './limits.ts';

/** Version of a node, stated when it connects. */
export const peerVersionSchema = z.object({
  program: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+-]{0,39}$/, 'not a version'),
  /** The newest version of each kind of document that it reads; a kind that is left out: 1. */
  reads: z
    .record(z.string().regex(/^[a-z][a-z -]{0,39}$/), z.int().min(1).max(wireLimits.documentVersionMax))
    .refine((reads) => Object.keys(reads).length <= wireLimits.documentKindsMax, 'names too many kinds'),
});
/** Null where a peer states none: it is older than the version that began to. */
export type PeerVersion = z.infer<typeof peerVersionSchema>;

export const ownVersion = (program: string): PeerVersion => ({
  program,
  reads: Object.fromEntries(Object.entries(documentVersions).filter(([, version]) => version > 1)),
});

/** Versions of documents by their kind; those of version 1 may be left out. */
export type Versions = Partial<Record<DocumentKind, number>>;

/** A kind of document that a peer reads up to a version below the one that it would have to. */
export interface Unread {
  kind: string;
  version: number;
  reads: number;
}

/** The documents among these that a peer cannot read. */
export function unreadBy(
  { reads }: Pick<PeerVersion, 'reads'>,
  documents: Versions = documentVersions,
): Unread[] {
  return Object.entries(documents).flatMap(([kind, version]) => {
    const known = reads[kind] ?? 1;
    return version > known ? [{ kind, version, reads: known }] : [];
  });
}

/** Whether a peer reads all of these documents. One that states no version is taken to read none. */
export function canRead(peer: PeerVersion | null, documents: Versions): boolean {
  return peer !== null && unreadBy(peer, documents).length === 0;
}

const list = (unread: readonly Unread[]): string =>
  unread.map(({ kind, version, reads }) => `${kind} of version ${version} (${reads} at most)`).join(', ');

/** Says how a peer is behind this node, or the project; undefined where it reads all that this node may write, and may work. */
export function behindText(peer: PeerVersion | null, least?: string): string | undefined {
  if (peer === null) return 'states no version: it is older, and gets no offer until it is updated';
  if (isBelow(peer, least))
    return `is ${peer.program}, and the project takes ${least} or later: it gets no job until it is updated`;
  const unread = unreadBy(peer);
  if (unread.length === 0) return undefined;
  return `is ${peer.program} and cannot read ${list(unread)}: it takes no job that has such documents until it is updated`;
}

/** Says how this node is behind a peer; undefined where it reads all that that one may write. */
export function ownBehindText({ program, reads }: PeerVersion): string | undefined {
  const unread = unreadBy({ reads: documentVersions }, reads);
  if (unread.length === 0) return undefined;
  return `the controller is ${program}, and this version cannot read ${list(unread)}: update Quorate here`;
}
