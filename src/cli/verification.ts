import { escapeLine } from '../core/escape.ts';
import { recipeText } from '../core/recipe-name.ts';
import type { RevocationBook } from '../core/sessions/revocation-book.ts';
import type { Verification } from '../core/trust/index.ts';
import { countsUncosigned, notCosigned } from '../core/trust/not-cosigned.ts';
import { counted, duration, shortId } from './format.ts';
import type { Output } from './output.ts';

/** Prints the steps of a verification with their results. */
export function sayVerification(out: Output, { steps, facts, level }: Verification): void {
  const { green, red, bold } = out.colours;
  for (const { ok, step, code, says } of steps) {
    const mark = ok ? green('ok') : red('no');
    out.say(`  ${mark} ${step}: ${escapeLine(says, 500)}${code === null ? '' : ` [${code}]`}`);
  }
  if (facts === null) return;
  const paint = level === 'trusted' ? green : red;
  out.say(
    bold(paint(level)),
    `  source    ${escapeLine(facts.repo, 300)}`,
    `  ref       ${escapeLine(facts.ref, 100)}`,
    `  commit    ${facts.commit}`,
    ...(facts.recipe === null ? [] : [`  job file  ${escapeLine(recipeText(facts.recipe), 500)}`]),
    `  built by  ${facts.operators.join(', ')}`,
    `  co-signed ${facts.cosigners.map(shortId).join(', ') || 'by no trusted worker'}`,
  );
  if (facts.kind === 'test')
    out.say(`  of a test ${escapeLine(facts.name, 100)}: its files are reports, and no artifact`);
  if (facts.cosigners.length === 0 && countsUncosigned(facts.policy, level))
    out.say(`  ${out.colours.yellow(notCosigned)}`);
  const { operators, named } = facts.witnesses;
  if (operators.length > 0)
    out.say(`  witnessed ${escapeLine([...operators, ...named].join(', '), 1000)}, ${facts.witnessed}`);
  for (const { operator, worker, outcome } of facts.dissent) {
    const built =
      outcome.kind === 'aborted'
        ? `aborted (${outcome.reason})`
        : (outcome.artifact ?? `exit ${outcome.code}`);
    out.say(`  dissent   ${operator} ${shortId(worker)}: ${built}`);
  }
}

/** How old what is known here of revocations is. */
export function sayKnowledge(out: Output, { size, askedAt }: Pick<RevocationBook, 'size' | 'askedAt'>): void {
  const asked =
    askedAt === null
      ? 'nobody was asked yet (--online asks)'
      : `last asked ${duration(Math.max(0, Date.now() - askedAt))} ago`;
  out.say(
    `  revoked   ${size === 0 ? 'nothing that is known here' : `${counted(size, 'revocation')} known here`}; ${asked}`,
  );
}
