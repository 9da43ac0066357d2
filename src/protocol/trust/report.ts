import { escapeLine } from '../base/escape.ts';
import { recipeText } from '../base/recipe-name.ts';
import { shortId } from '../base/text.ts';
import type { Outcome } from '../documents/index.ts';
import type { Level } from './evidence.ts';
import { countsUncosigned, notCosigned } from './not-cosigned.ts';
import type { StepName, Verification, VerifiedFacts } from './verification.ts';

/** One line of what a person reads of a verification. Foreign text in it is escaped. */
export type ReportLine =
  | { kind: 'step'; step: StepName; ok: boolean; says: string }
  | { kind: 'level'; level: Level }
  | { kind: 'fact'; label: string; says: string }
  | { kind: 'warning'; says: string };

/** The steps of a verification with their results, and what it is about. The command line and the page print the same. */
export function reportOf({ steps, facts, level }: Verification): ReportLine[] {
  const said = steps.map(({ step, ok, code, says }): ReportLine => {
    return { kind: 'step', step, ok, says: `${escapeLine(says, 500)}${code === null ? '' : ` [${code}]`}` };
  });
  return facts === null ? said : [...said, { kind: 'level', level }, ...factLines(facts, level)];
}

function factLines(facts: VerifiedFacts, level: Level): ReportLine[] {
  const fact = (label: string, says: string): ReportLine => ({ kind: 'fact', label, says });
  const { operators } = facts.witnesses;
  return [
    fact('source', escapeLine(facts.repo, 300)),
    fact('ref', escapeLine(facts.ref, 100)),
    fact('commit', facts.commit),
    ...(facts.recipe === null ? [] : [fact('job file', escapeLine(recipeText(facts.recipe), 500))]),
    fact('built by', facts.operators.join(', ')),
    fact('co-signed', facts.cosigners.map(shortId).join(', ') || 'by no trusted worker'),
    ...(facts.kind === 'test'
      ? [fact('of a test', `${escapeLine(facts.name, 100)}: its files are reports, and no artifact`)]
      : []),
    ...(facts.cosigners.length === 0 && countsUncosigned(facts.policy, level)
      ? [{ kind: 'warning', says: notCosigned } as const]
      : []),
    ...(operators.length > 0
      ? [fact('witnessed', `${witnessesText(facts.witnesses)}; ${facts.witnessed}`)]
      : []),
    ...facts.dissent.map(({ operator, worker, outcome }) =>
      fact('dissent', `${operator} ${shortId(worker)}: ${dissentText(outcome, facts, level)}`),
    ),
  ];
}

/** Apart: a witness of the charter may have the name of an operator. */
const witnessesText = ({ operators, named }: VerifiedFacts['witnesses']): string =>
  escapeLine(
    [
      operators.join(', '),
      ...(named.length > 0 ? [`witnesses of the charter: ${named.join(', ')}`] : []),
    ].join('; '),
    1000,
  );

/** The result of who did not agree, with that in which it differs: a test has reports whether it failed or not, and a vote its list of files. */
function dissentText(outcome: Outcome, { artifact, kind }: VerifiedFacts, level: Level): string {
  if (outcome.kind === 'aborted') return `aborted (${outcome.reason})`;
  const { code, artifact: made } = outcome;
  if (made === null) return `exit ${code}`;
  const ended = kind === 'test' ? `exit ${code}, ` : '';
  const isSameTree = made === artifact && code === 0 && level !== 'failed';
  return `${ended}${made}${isSameTree ? ', with other files or hashes listed' : ''}`;
}

/** Whether all steps held and the artifact may be used. */
export const isTrusted = ({ ok, level }: Verification): boolean => ok && level === 'trusted';

/** The last line: the answer for `name`, a file or folder; `paths`: of a file in the artifact. */
export function answerLine(name: string, result: Verification, paths?: readonly string[]): string {
  if (!isTrusted(result)) return `${name}: no.`;
  const as = paths === undefined ? '' : `, as ${escapeLine(paths.join(', '), 500)} of the artifact`;
  return `${name} can be trusted${as}.`;
}
