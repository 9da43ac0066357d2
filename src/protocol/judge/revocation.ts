import { QuorateError } from '../base/errors.ts';
import {
  type Charter,
  claimedIdOf,
  claimedSignerOf,
  openMessage,
  type Revocation,
  type Verified,
  type Verifier,
} from '../documents/index.ts';
import { type Check, enforce } from './check.ts';

/** The keys that a charter names, the root's among them. */
export function keysOf({ project, controllers, trusted, idps, log }: Charter): readonly string[] {
  return [project, log, ...controllers, ...trusted, ...idps];
}

/** Whether the charter names this key for anything: only the root revokes such keys. */
export function isNamed(charter: Charter, key: string): boolean {
  return keysOf(charter).includes(key);
}

/** Whether a revocation holds under a charter. */
export function checkRevocation(check: Check, revocation: Verified<Revocation>, charter: Charter): void {
  const { signer, payload } = revocation;
  const { project, what, keeps, voidLeaves } = payload;
  const plain = keeps === undefined && voidLeaves === undefined;
  check('REVOCATION_PROJECT_MISMATCH', project === charter.project, `the revocation is for ${project}`);
  if (signer === charter.project) return;
  check(
    'REVOCATION_ISSUER_MISMATCH',
    charter.idps.includes(signer),
    `the revocation is signed by ${signer}, neither the root nor an identity provider of the charter`,
  );
  check(
    'REVOCATION_NEEDS_ROOT',
    plain && (what.kind !== 'key' || !isNamed(charter, what.id)),
    plain
      ? `the charter names ${what.id}; only the root key revokes it`
      : `only the root key ends ${what.id}, and says which revocations stay and which leaves are void`,
    'Put root.key into .quorate/ for this one command.',
  );
}

/** Signed revocations, and charters under which they hold; for the root's own none is needed. */
export interface RevocationList {
  charters: readonly string[];
  revocations: readonly string[];
  /** Evidence that a log of the project tells two stories, see `decodeEquivocation`. */
  equivocations?: readonly string[] | undefined;
}

/** A revocation that holds, and the charter that says so; null for the root's own. */
export interface OpenedRevocation {
  revocation: Verified<Revocation>;
  charter: string | null;
}

/** One of a later version than this program reads, with a signature that holds. */
export interface UnreadRevocation {
  revocation: { id: string; raw: string; signer: string };
  charter: string | null;
}

/**
 * Opens revocations that anybody may have brought, given the project's root key. Invalid ones hide nothing else; `refused` is why.
 * `unread` (`DOC_NEWER`): nothing of the project may be believed.
 */
export async function openRevocations(
  { charters, revocations }: RevocationList,
  project: string,
  verifier: Verifier,
): Promise<{ opened: OpenedRevocation[]; refused: QuorateError[]; unread: UnreadRevocation[] }> {
  const refused: QuorateError[] = [];
  const unread: UnreadRevocation[] = [];
  const orRefused = async <T>(open: () => Promise<T>): Promise<T[]> => {
    try {
      return [await open()];
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      refused.push(error);
      return [];
    }
  };
  const known: Verified<Charter>[] = [];
  for (const raw of charters) known.push(...(await orRefused(() => openCharterOf(raw, project, verifier))));
  const opened: OpenedRevocation[] = [];
  for (const raw of revocations) {
    const before = refused.length;
    opened.push(...(await orRefused(async () => openOne(await openMessage('revocation', raw, verifier)))));
    // The version is looked at after the signature.
    if (refused[before]?.code !== 'DOC_NEWER') continue;
    const one = unreadOf(raw);
    if (one === undefined) refused[before] = issuerMismatch(claimedSignerOf(raw));
    else unread.push(one);
  }
  return { opened, refused, unread };

  function unreadOf(raw: string): UnreadRevocation | undefined {
    const [id, signer] = [claimedIdOf(raw), claimedSignerOf(raw)];
    const charter = signer === project ? null : charterNaming(signer)?.raw;
    if (id === undefined || signer === undefined || charter === undefined) return undefined;
    return { revocation: { id, raw, signer }, charter };
  }

  function charterNaming(idp: string | undefined): Verified<Charter> | undefined {
    return known.find(({ payload }) => payload.idps.some((one) => one === idp));
  }

  function openOne(revocation: Verified<Revocation>): OpenedRevocation {
    const ours = revocation.payload.project === project;
    enforce('REVOCATION_PROJECT_MISMATCH', ours, `the revocation is for ${revocation.payload.project}`);
    if (revocation.signer === project) return { revocation, charter: null };
    const charter = charterNaming(revocation.signer);
    if (charter === undefined) throw issuerMismatch(revocation.signer);
    checkRevocation(enforce, revocation, charter.payload);
    return { revocation, charter: charter.raw };
  }
}

const issuerMismatch = (signer: string | undefined): QuorateError =>
  new QuorateError(
    'REVOCATION_ISSUER_MISMATCH',
    `no charter beside the revocation names ${signer} as an identity provider`,
  );

/** Opens a charter that anybody may have brought. @throws `CHARTER_PROJECT_MISMATCH`, `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
export async function openCharterOf(
  raw: string,
  project: string,
  verifier: Verifier,
  check: Check = enforce,
): Promise<Verified<Charter>> {
  const charter = await openMessage('charter', raw, verifier);
  const ours = charter.payload.project === project;
  check('CHARTER_PROJECT_MISMATCH', ours, `the charter is of project ${charter.payload.project}`);
  const byRoot = charter.signer === project;
  check('CHARTER_ISSUER_MISMATCH', byRoot, `${charter.signer} signed the charter, not the root key`);
  return charter;
}
