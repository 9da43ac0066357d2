import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { NodeKey } from '../identity/keys.ts';
import { joseVerifier as verifier } from '../identity/verifier.ts';
import { openVisitor } from '../node/artifacts/moved-controllers.ts';
import { readOptional } from '../node/files.ts';
import { ask } from '../node/membership/credentials.ts';
import { byPeer } from '../node/membership/join.ts';
import { openRevocationBook } from '../node/membership/revocation-file.ts';
import { meshDial } from '../node/ports.ts';
import { assert, codeOf, messageOf, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { type RevocationTarget, signMessage } from '../protocol/documents/index.ts';
import { isNamed, type RevocationList } from '../protocol/judge/index.ts';
import { isConnectionError } from '../protocol/sessions/ask.ts';
import {
  type OwnRevocation,
  presentSize,
  revocationsBy,
  unshownLeaves,
} from '../protocol/sessions/own-revocations.ts';
import { parseCheckpoint } from '../protocol/transparency/index.ts';
import { ownerLimits } from './limits.ts';
import { controllerAddrs, type ProjectFolder, readCharter } from './project-folder.ts';

type Question = Parameters<typeof ask>[2];

const { againMs, revokeMsMax, waitMsDefault } = ownerLimits;

export interface Revoking {
  what: RevocationTarget;
  /** Log index; by default the size of the log for operators and keys (see `presentSize`), and 0 for the rest. */
  since?: number;
  /** Of a key of the identity provider: ids of its revocations that stay; by default those in the log before `since`. */
  keeps?: readonly string[];
  /** Of a key that wrote the log: ids in leaves of revocations that nobody signed; `all`: those from `since` on that the controller does not show. */
  voidLeaves?: readonly string[] | 'all';
  reason: string;
  /** Milliseconds in which a controller that is away, or restarts under other keys, is asked again. Default: 20 s. */
  waitMs?: number;
  /** Called with the documents signed so far, before the controller gets them. */
  signed?(list: RevocationList): void;
  signal: AbortSignal;
}

export interface RevokedNow {
  /** Of its leaf. */
  index: number;
  since: number;
  byRoot: boolean;
  /** Of the end of a key that revoked some: those that stay, and those that count no more. */
  keeps: OwnRevocation[];
  voids: OwnRevocation[];
  /** Ids in leaves of the log that name no revocation. */
  voidLeaves: string[];
}

/** Refusals of the identity provider's key after which the root key signs, where it is here. */
const rootNeeded: ReadonlySet<string> = new Set(['REVOCATION_NEEDS_ROOT', 'REVOCATIONS_FULL', 'KEY_REVOKED']);

/**
 * Signs a revocation and has the controller take it: with the identity provider's key, or with the root key for a key that the charter
 * names, for one where the controller cannot be reached, and where the other key is refused. In the folder of an identity provider apart
 * it is in force there too, with or without a controller.
 * @throws {QuorateError} `REVOCATION_…`, `REVOCATIONS_FULL`, `CHECKPOINT_…`, `LOG_…`, `CONTROLLER_…`, `MESH_…`
 */
export async function revoke(folder: ProjectFolder, revoking: Revoking): Promise<RevokedNow> {
  const { what, since, keeps, voidLeaves, reason, waitMs = waitMsDefault, signal } = revoking;
  // Read again: another command may have changed it since the folder was opened.
  const charter = await readCharter(folder.dir);
  const { root } = folder;
  const inForce = charter?.payload ?? folder.charter;
  const byRoot =
    keeps !== undefined || voidLeaves !== undefined || (what.kind === 'key' && isNamed(inForce, what.id));
  if (byRoot && root === undefined) throw needsRoot(folder, what.id);
  const addrs = await controllerAddrs(folder);
  let controllers = byPeer(addrs);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(revokeMsMax)]);
  // A fresh key: a revocation counts by its signature, whichever peer brings it.
  const mesh = await openVisitor({ bootstrap: [] });
  const dial = meshDial(mesh, limit);
  const askNow = async (question: Question) => (await ask(dial, controllers, question, limit)).answer;
  const end = performance.now() + waitMs;
  const reached = <T>(work: () => Promise<T>) =>
    untilReached(work, end, signal, async () => {
      // Under another key it is somebody else.
      controllers = byPeer((await folder.address())?.addrs ?? addrs);
    });
  try {
    const whole = what.kind !== 'operator' && what.kind !== 'key';
    const from = since ?? (whole ? 0 : await logSize());
    const own = what.kind === 'key' ? await ownOf(what.id, from) : [];
    const stays = own.filter(({ id, leaf }) => keeps?.includes(id) ?? (leaf !== null && leaf < from));
    const kept = keeps ?? stays.map(({ id }) => id);
    const leaves = voidLeaves === undefined ? [] : await unshown(voidLeaves === 'all' ? from : voidLeaves);
    const documents: string[] = [];
    const sign = async ({ signer }: NodeKey, part: readonly string[] = []): Promise<RevokedNow> => {
      const iat = Math.floor(Date.now() / 1000);
      const payload = {
        iss: signer.id,
        project: folder.project,
        what,
        since: from,
        reason,
        iat,
        ...(kept.length > 0 && { v: 2 as const, keeps: [...kept] }),
        ...(part.length > 0 && { v: 3 as const, voidLeaves: [...part] }),
      };
      const { raw } = await signMessage('revocation', payload, signer);
      const bySelf = signer.id === folder.project;
      if (part.length > 0) documents.push(raw);
      const revocations = part.length > 0 ? documents : [raw];
      const list = { charters: bySelf ? [] : [charter?.raw ?? folder.charterJws], revocations };
      revoking.signed?.(list);
      const answer = await reached(() => askNow({ kind: 'revoke', revocation: raw })).catch(async (error) => {
        // No more grants, whether the controller hears of it now or later.
        if (isConnectionError(error)) await keepForIdp(folder, list);
        throw error;
      });
      if (answer.kind !== 'revoked') throw unexpected(answer.kind);
      await keepForIdp(folder, list);
      const voids = own.filter((one) => !stays.includes(one));
      return { index: answer.index, since: from, byRoot: bySelf, keeps: stays, voids, voidLeaves: leaves };
    };
    if (root !== undefined && (byRoot || own.length > 0)) {
      const size = limits.revocationsMax;
      for (let end = size; end < leaves.length; end += size) await sign(root, leaves.slice(end - size, end));
      return await sign(root, leaves.slice(-(leaves.length % size || size)));
    }
    if (own.length > 0) throw needsRoot(folder, what.id);
    return await sign(folder.idp).catch((error: unknown) => {
      // A charter of before named the key, which the controller knows from its log; or that key may not revoke any more. Where no
      // controller says so it may be one: the root's document holds in any case.
      const mayNeedRoot = rootNeeded.has(codeOf(error)) || (what.kind === 'key' && isConnectionError(error));
      if (root !== undefined && mayNeedRoot) return sign(root);
      throw error;
    });
  } finally {
    await mesh.close();
  }

  function asking(): Parameters<typeof revocationsBy>[0] {
    const [controller] = controllers;
    assert(controller !== undefined, 'an address names who is there');
    const { project } = folder;
    const [charter, target, now] = [inForce, what.id, () => Date.now()];
    return { dial, controller, project, verifier, ask: askNow, charter, target, now };
  }

  /** The size of the log; of the last checkpoint in this folder where the controller is away. */
  async function logSize(): Promise<number> {
    try {
      return await reached(() => presentSize(asking()));
    } catch (error) {
      const { dir } = folder;
      const note = isConnectionError(error) ? await readOptional(join(dir, 'checkpoint.txt')) : undefined;
      if (note !== undefined) return parseCheckpoint(note).size;
      throw unsigned(error, 'If that is so, say it: --since <index>');
    }
  }

  /** Ids in leaves that are void. @throws {QuorateError} `REVOCATION_LEAF_SHOWN` */
  async function unshown(which: number | readonly string[]): Promise<string[]> {
    const found = await reached(() => unshownLeaves(asking(), which)).catch((error) => {
      if (typeof which === 'number' || !isConnectionError(error)) throw error;
      return [...which];
    });
    const shown = typeof which === 'number' ? undefined : which.find((id) => !found.includes(id));
    if (shown !== undefined)
      throw new QuorateError(
        'REVOCATION_LEAF_SHOWN',
        `the controller shows the revocation ${shown}, or the root has voided its leaf: there is nothing to void`,
      );
    return found;
  }

  /** Revocations signed by the key that is to be revoked: all of those in the log before `before`. */
  async function ownOf(key: string, before: number): Promise<OwnRevocation[]> {
    const mayBeIdp = inForce.idps.includes(key) || folder.retired.some(({ id }) => id === key);
    // Leaves that name no revocation are those of a key that wrote the log.
    const mayRevoke = mayBeIdp && voidLeaves === undefined;
    try {
      return await reached(() => revocationsBy(asking(), key, { mayRevoke, before }));
    } catch (error) {
      const isAway = isConnectionError(error);
      if (!isAway && !isUnsigned(error) && codeOf(error) !== 'REVOCATION_WITHHELD') throw error;
      // Without `keeps`, all revocations by the identity provider's key would lapse for good: a later end can keep no more.
      if (keeps !== undefined || (isAway && !mayBeIdp)) return [];
      if (!isAway)
        throw unsigned(error, 'Or say which revocations by that key stay: --keep <id>, or --keep none');
      const message = `what ${key} revoked itself, and may stay, is not known while the controller cannot be reached`;
      throw new QuorateError('CONTROLLER_UNREACHABLE', message, {
        hint: 'Start the controller, or say which of its revocations stay: --keep <id>, or --keep none.',
        cause: error,
      });
    }
  }
}

/** The checkpoint lacks a fresh line of a trusted worker: one may still connect, or the controller start under its next key. */
const isUnsigned = (error: unknown): boolean =>
  ['CHECKPOINT_STALE', 'CHECKPOINT_UNSIGNED'].includes(codeOf(error));

function unsigned(error: unknown, instead: string): unknown {
  if (!isUnsigned(error)) return error;
  const hint = `Have a trusted worker connected, and its clock and this one right. ${instead}.`;
  return new QuorateError('CHECKPOINT_STALE', messageOf(error), { hint, cause: error });
}

const needsRoot = ({ dir }: ProjectFolder, key: string): QuorateError =>
  new QuorateError(
    'REVOCATION_NEEDS_ROOT',
    `a charter names ${key}; only the root key revokes it, and it is not in this folder`,
    { hint: `Put root.key into ${dir} for this one command.` },
  );

/** Tries again while there is no connection, or no line: a controller under another key is there within seconds, and who signs its log. */
async function untilReached<T>(
  work: () => Promise<T>,
  end: number,
  signal: AbortSignal,
  look: () => Promise<void>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const mayPass = isConnectionError(error) || isUnsigned(error);
      if (!mayPass || performance.now() + againMs > end) throw error;
    }
    await setTimeout(againMs, undefined, { signal });
    await look();
  }
}

/** Keeps the list in the folder of a separate identity provider, whose process reads it there. @throws {QuorateError} `HOME_…` */
async function keepForIdp({ dir, project, holds }: ProjectFolder, list: RevocationList): Promise<void> {
  if (holds.controller) return;
  const book = await openRevocationBook(dir, project);
  await book.learn(list);
}

const unexpected = (kind: string): QuorateError =>
  new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `the controller answered with ${kind}`, {
    hint: 'It may run another version: update both.',
  });
