import { type Grant, openMessage, type Verified } from '../../documents/index.ts';
import { openNamedWitnesses } from '../../transparency/index.ts';
import { needsWitnesses, type Witnessed, witnessedBy, witnessesNeeded } from '../witnesses.ts';
import type { Ask, Logged, Opened } from './context.ts';
import { plural } from './sentences.ts';
import { decidedAt } from './times.ts';
import { factsOf } from './verdict.ts';

/**
 * Where a verdict is trusted without a co-signature, workers of as many operators as have to agree must have signed the log
 * that it is in, and those that the charter asks for besides. Null where nothing of that is needed.
 */
export async function checkWitnesses(ask: Ask, opened: Opened, logged: Logged): Promise<Witnessed | null> {
  const { bundle, verifier, check, revoked } = ask;
  const { request, receipts, verdict } = opened;
  const charter = opened.charter.payload;
  const { policy } = request.payload;
  const { level, outcome } = factsOf(verdict);
  if (!needsWitnesses(policy, level, outcome)) return null;
  const more: Verified<Grant>[] = [];
  for (const raw of bundle.witnesses ?? []) more.push(await openMessage('grant', raw, verifier));
  const { checkpoint } = logged;
  const keys = charter.witnesses?.keys ?? [];
  const named = await openNamedWitnesses(bundle.checkpoint, keys, verifier);
  const by = witnessedBy(
    check,
    { keys: checkpoint.witnesses, named },
    { receipts: receipts.map(({ grant }) => grant), more },
    { charter, revoked, decidedAt: decidedAt(opened), last: checkpoint.size - 1 },
  );
  const needed = witnessesNeeded(policy, charter);
  check(
    'WITNESS_OPERATORS_MISSING',
    by.operators.length >= needed.operators,
    `workers of ${plural(by.operators.length, 'operator')} signed the log after the verdict (${by.operators.join(', ') || 'none'}); without a co-signature those of ${needed.operators} have to`,
  );
  check(
    'CHARTER_WITNESS_MISSING',
    by.named.length >= needed.named,
    `${plural(by.named.length, 'witness', 'witnesses')} of the charter signed the log after the verdict (${by.named.join(', ') || 'none'}); it asks for ${needed.named} of ${keys.length}`,
  );
  return by;
}
