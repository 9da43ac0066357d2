import { z } from 'zod';
import { QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { counted, duration } from '../../../protocol/base/quantity.ts';
import { shortId, toUtf8 } from '../../../protocol/base/text.ts';
import { isoTime } from '../../../protocol/base/time.ts';
import type { Bundle, Verifier } from '../../../protocol/documents/index.ts';
import { openCharterOf } from '../../../protocol/judge/index.ts';
import { RevocationBook, storedRevocationsSchema } from '../../../protocol/sessions/revocation-book.ts';
import { openCheckpoint } from '../../../protocol/transparency/index.ts';
import type { ReportLine, Revoked } from '../../../protocol/trust/index.ts';
import { revocationAt } from '../../../protocol/trust/revocations.ts';
import {
  checkpointNoticeSchema,
  decodeMessage,
  feedCharterSchema,
  revocationListSchema,
} from '../../../protocol/wire/messages.ts';

/** Revocations from a file or a server, unchecked. */
export interface Brought {
  /** Name of the file, or address of the server. */
  from: string;
  /** JSON: a list as `revoke --out` writes it, the pages that a feed serves, or the file of a home folder. */
  revocations: readonly string[];
  /** JSON of a feed: the charter in force, and a checkpoint that says how old this is. */
  charter?: string;
  checkpoint?: string;
}

/** Revocations that are known, and lines that say how old they are. */
export interface Knowledge {
  revoked: readonly Revoked[];
  lines: ReportLine[];
}

/** Older than this, ms, what is known is warned of. */
const oldMs = 86_400_000;

const fileSchema = z.union([storedRevocationsSchema, revocationListSchema]);

/** Checks what was brought under the root key, and dates it by a trusted worker's checkpoint or the home. @throws REVOCATION_UNREADABLE */
export async function knowledgeOf(
  brought: Brought,
  { project, bundle, verifier, now }: About,
): Promise<Knowledge> {
  const { from } = brought;
  try {
    const pages = brought.revocations.map((page) => decodeMessage(toUtf8(page), fileSchema, from));
    const book = await RevocationBook.open(project, verifier);
    for (const page of pages) {
      const { refused } = await book.learn(page);
      // The book keeps revocations that this version cannot read.
      const why = refused.find(({ code }) => code !== 'DOC_NEWER');
      if (why !== undefined) throw why;
    }
    const last = pages.at(-1);
    if (last !== undefined && 'next' in last && last.next !== undefined)
      throw new QuorateError('REVOCATION_UNREADABLE', 'it is a part of a list, of which more follows');
    const signed = await signedAt(brought, { project, bundle, verifier, now, revoked: book.revoked });
    const asked = last !== undefined && 'askedAt' in last ? last.askedAt : null;
    const count = book.size === 0 ? 'nothing' : counted(book.size, 'revocation');
    const line: ReportLine = {
      kind: 'fact',
      label: 'revoked',
      says: `${count}, by ${from}; ${ageText(from, signed, asked, now)}`,
    };
    return { revoked: book.revoked, lines: [line, ...warnings(signed?.at ?? asked, now)] };
  } catch (cause) {
    if (!(cause instanceof QuorateError)) throw cause;
    throw new QuorateError(
      'REVOCATION_UNREADABLE',
      `${from} tells nothing of revocations: ${cause.message}`,
      {
        hint: 'Take the file that revoke --out wrote, or revocations/PROJECT.json of a home, or name a controller of this project.',
        cause,
      },
    );
  }
}

interface About {
  project: string;
  bundle: Bundle;
  verifier: Verifier;
  /** The clock, ms. */
  now: number;
}

interface Signed {
  by: string;
  at: number;
}

/** The newest line of a trusted worker under the checkpoint. Lines of the future and of revoked keys do not count. */
async function signedAt(
  { charter, checkpoint }: Brought,
  { project, bundle, verifier, now, revoked }: About & { revoked: readonly Revoked[] },
): Promise<Signed | undefined> {
  if (checkpoint === undefined) return undefined;
  const inForce =
    charter === undefined
      ? bundle.charter
      : decodeMessage(toUtf8(charter), feedCharterSchema, 'the charter').charter;
  const { log, trusted } = (await openCharterOf(inForce, project, verifier)).payload;
  const { note } = decodeMessage(toUtf8(checkpoint), checkpointNoticeSchema, 'the checkpoint');
  const { witnesses } = await openCheckpoint(note, { project, log }, verifier);
  return witnesses
    .filter(
      ({ witness, time }) =>
        trusted.includes(witness) &&
        time * 1000 <= now + limits.clockSkewSeconds * 1000 &&
        revocationAt(revoked, { kind: 'key', id: witness }, Number.MAX_SAFE_INTEGER) === undefined,
    )
    .map(({ witness, time }) => ({ by: witness, at: time * 1000 }))
    .sort((a, b) => b.at - a.at)[0];
}

/** How old the list is, and whose word it is that nothing is left out of it: no line under the log says so. */
function ageText(from: string, signed: Signed | undefined, asked: number | null, now: number): string {
  const age = (at: number) => `${duration(Math.max(0, now - at))} ago (${isoTime(at)})`;
  if (signed !== undefined)
    return `the trusted worker ${shortId(signed.by)} signed the log ${age(signed.at)}; that no revocation is left out is the word of ${from} alone`;
  return asked === null
    ? `nothing shows how old that is; that no revocation is left out is the word of ${from} alone`
    : `its home last asked members of the project ${age(asked)}; that no revocation is left out is the word of who answered, and of ${from}`;
}

function warnings(at: number | null, now: number): ReportLine[] {
  if (at !== null && now - at <= oldMs) return [];
  return [
    {
      kind: 'warning',
      says:
        at === null
          ? 'What was revoked since may be missing: nobody but who gave it says how old it is.'
          : `What was revoked in the last ${duration(now - at)} is not known here.`,
    },
  ];
}
