import type { Bundle } from '../../src/protocol/documents/index.ts';
import { openCharterOf } from '../../src/protocol/judge/index.ts';
import { signatureLines } from '../../src/protocol/transparency/index.ts';
import { type Equivocation, revokedByEquivocation } from '../../src/protocol/trust/equivocation.ts';
import { verifyBundle } from '../../src/protocol/trust/index.ts';
import { type Observe, type Truth, Violation } from '../observer.ts';

interface Published {
  bundle: Bundle;
  log: string;
  /** Whether a trusted worker signed the checkpoint. */
  hasLine: boolean;
}

/**
 * Evidence of two stories voids what has no line of a trusted worker; all of it where trusted workers signed both. One trusted
 * worker never signs both. Where honest workers signed two stories, some of them come to know.
 */
export function forks(): Observe {
  const published: Published[] = [];
  const proven: Equivocation[] = [];
  /** By log and size: roots that honest workers signed. */
  const signed = new Map<string, Set<string>>();

  async function check({ bundle, log, hasLine }: Published, proves: Equivocation, truth: Truth) {
    if (proves.log !== log) return;
    const revocations = [revokedByEquivocation(proves)];
    const { project, keys } = truth;
    const before = await verifyBundle(bundle, { project }, keys.verifier);
    if (!before.ok) return;
    const { code } = await verifyBundle(bundle, { project, revocations }, keys.verifier);
    const stays = hasLine && proves.lines < 2;
    if (stays !== (code === null))
      throw new Violation(
        `of two stories trusted workers signed ${proves.lines}; a verdict ${hasLine ? 'under' : 'without'} such a line came to ${code}`,
      );
  }

  return async (seen, truth) => {
    if (seen.kind === 'equivocated') {
      const { proves } = seen;
      if (proves.lines === 2 && !truth.second) throw new Violation('one trusted worker signed both stories');
      if (proven.some(({ log, lines }) => log === proves.log && lines === proves.lines)) return;
      proven.push(proves);
      for (const one of published) await check(one, proves, truth);
    }
    if (seen.kind === 'witnessed') {
      if (truth.isAttacker(seen.worker)) return;
      const of = `${seen.log} ${seen.size}`;
      signed.set(of, (signed.get(of) ?? new Set()).add(seen.root));
    }
    if (seen.kind === 'ended' && proven.length === 0)
      for (const roots of signed.values())
        if (roots.size > 1) throw new Violation('honest workers signed two stories, and none of them knows');
    if (seen.kind !== 'published') return;
    const { bundle } = seen;
    const { project, keys } = truth;
    const { log, trusted } = (await openCharterOf(bundle.charter, project, keys.verifier)).payload;
    const hasLine = signatureLines(bundle.checkpoint).some(({ name }) => trusted.includes(name));
    const one = { bundle, log, hasLine };
    published.push(one);
    for (const proves of proven) await check(one, proves, truth);
  };
}
