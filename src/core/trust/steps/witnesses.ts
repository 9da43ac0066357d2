import { type Grant, openMessage, type Verified } from '../../documents/index.ts';
import { openNamedWitnesses } from '../../transparency/index.ts';
import { needsWitnesses, type Witnessed, witnessedBy, witnessesNeeded } from '../witnesses.ts';
import type { Ask, Opened } from './context.ts';
import type { Proven } from './inputs.ts';
import { plural } from './sentences.ts';
import { decidedAt } from './times.ts';
import { factsOf } from './verdict.ts';

/**
 * Where a verdict is trusted without a co-signature, workers of as many operators as have to agree must have signed the log
 * that it is in, and those that the charter asks for besides. Null where nothing of that is needed. `built`: where the receipts are.
 */
export async function checkWitnesses(
  { verifier, check, revoked: ownRevoked }: Ask,
  { request, verdict, charter: { payload: charter } }: Opened,
  built: Pick<Proven, 'bundle' | 'opened' | 'logged' | 'revoked'>,
): Promise<Witnessed | null> {
  const { policy } = request.payload;
  const { level, outcome } = factsOf(verdict);
  if (!needsWitnesses(policy, level, outcome)) return null;
  const { bundle, opened, logged } = built;
  const { receipts } = opened;
  const revoked = [...ownRevoked, ...built.revoked];
  const more: Verified<Grant>[] = [];
  for (const raw of bundle.witnesses ?? []) more.push(await openMessage('grant', raw, verifier));
  const { checkpoint } = logged;
  const keys = charter.witnesses?.keys ?? [];
  const named = await openNamedWitnesses(bundle.checkpoint, keys, verifier);
  const by = witnessedBy(
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
