import { counted } from '../../base/quantity.ts';
import { type Grant, openMessage, type Verified } from '../../documents/index.ts';
import { openNamedWitnesses } from '../../transparency/index.ts';
import {
  isWitnessed,
  needsWitnesses,
  placedByWitnesses,
  type Witnessed,
  witnessedBy,
  witnessesNeeded,
} from '../witnesses.ts';
import type { Ask, Logged, Opened } from './context.ts';
import { factsOf } from './documents.ts';
import type { Proven } from './inputs.ts';
import { decidedAt } from './times.ts';

/** The evidence with the receipts: the verdict's own bundle, or that of the earlier request that it rests on. */
type Built = Pick<Proven, 'bundle' | 'opened' | 'logged' | 'revoked'>;

/**
 * A verdict that is trusted without a co-signature needs lines of as many operators' workers as have to agree, and of the charter's
 * witnesses. Null where none are needed. `built`: where the receipts are.
 */
export async function checkWitnesses(ask: Ask, own: Opened, built: Built): Promise<Witnessed | null> {
  const { policy } = own.request.payload;
  const { level, outcome } = factsOf(own.verdict);
  if (!needsWitnesses(policy, level, outcome)) return null;
  const charter = own.charter.payload;
  const by = await witnessesOf(ask, own, built);
  const needed = witnessesNeeded(policy, charter);
  ask.check(
    'WITNESS_OPERATORS_MISSING',
    by.operators.length >= needed.operators,
    `workers of ${counted(by.operators.length, 'operator')} signed the log after the verdict (${by.operators.join(', ') || 'none'}); without a co-signature those of ${needed.operators} have to`,
  );
  ask.check(
    'CHARTER_WITNESS_MISSING',
    by.named.length >= needed.named,
    `${counted(by.named.length, 'witness', 'witnesses')} of the charter signed the log after the verdict (${by.named.join(', ') || 'none'}); it asks for ${needed.named} of ${charter.witnesses?.keys.length ?? 0}`,
  );
  return by;
}

/** The witnesses under the checkpoint of an answer itself, where they sign its place and these are enough; null otherwise. */
export async function ownWitnesses(ask: Ask, own: Opened, logged: Logged): Promise<Witnessed | null> {
  const { policy } = own.request.payload;
  if (!placedByWitnesses(policy, factsOf(own.verdict).level)) return null;
  const by = await witnessesOf(ask, own, { ...ask, opened: own, logged });
  return isWitnessed(by, policy, own.charter.payload) ? by : null;
}

async function witnessesOf(
  { verifier, check, revoked: ownRevoked }: Ask,
  { charter: { payload: charter } }: Opened,
  built: Built,
): Promise<Witnessed> {
  const { bundle, opened, logged } = built;
  const { receipts } = opened;
  const revoked = [...ownRevoked, ...built.revoked];
  const more: Verified<Grant>[] = [];
  for (const raw of bundle.witnesses ?? []) more.push(await openMessage('grant', raw, verifier));
  const { checkpoint } = logged;
  const keys = charter.witnesses?.keys ?? [];
  const named = await openNamedWitnesses(bundle.checkpoint, keys, verifier);
  return witnessedBy(
    check,
    { keys: checkpoint.witnesses, named },
    { receipts: receipts.map(({ grant }) => grant), more },
    {
      charter: opened.charter.payload,
      revoked,
      decidedAt: decidedAt(opened),
      last: checkpoint.size - 1,
    },
  );
}
