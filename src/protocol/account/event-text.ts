import { escapeLine } from '../base/escape.ts';
import { counted, listed } from '../base/quantity.ts';
import { shortId } from '../base/text.ts';
import { isoTime } from '../base/time.ts';
import { passReason } from '../wire/pass-reason.ts';
import type { Progress } from '../wire/progress.ts';
import { buildersText } from '../wire/told-policy.ts';
import { verdictText } from './endings.ts';
import type { Told } from './times.ts';

const foreign = (text: string): string => escapeLine(text, 500);
const names = (all: readonly string[]): string => escapeLine(all.join(', '), 300);
const tree = (artifact: string | null): string => (artifact === null ? 'no outputs' : shortId(artifact));
const builder = ({ operator, slot }: { operator: string; slot: number | 'trusted' }): string =>
  `${escapeLine(operator, 80)}${slot === 'trusted' ? ' (trusted worker)' : ''}`;
const runOf = ({ earlier, decidedAt }: { earlier: string; decidedAt: number }): string =>
  `run ${earlier.slice(0, 10)} (${isoTime(decidedAt).slice(0, 19).replace('T', ' ')}Z)`;

/** One event of a run in words, without a full stop. Texts of others are escaped. */
export function eventText(progress: Progress): string {
  switch (progress.kind) {
    case 'accepted':
      return 'published';
    case 'waiting':
      return `waits for ${names(Object.keys(progress.needs))}`;
    case 'inputs':
      return `reads ${names(Object.keys(progress.inputs))}`;
    case 'answered':
      return `built before, in ${runOf(progress)}: its evidence is enough`;
    case 'answer-failed':
      return `built before, but ${shortId(progress.artifact)} is not there any more: it is built`;
    case 'answer-cosigning':
      return 'waits for a trusted worker to sign the answer, and its place in the log';
    case 'answer-refused':
      return `the trusted worker does not sign the answer, so it is built: ${coded(progress)}`;
    case 'repeated':
      return repeatedText(progress);
    case 'round':
      return `round ${progress.round}: ${buildersText(progress)}`;
    case 'leased':
      return `${builder(progress)} builds`;
    case 'passed':
      return `${escapeLine(progress.operator, 80)} declines: ${foreign(passReason(progress.reason))}`;
    case 'delivered':
      return `${builder(progress)} is done; the result is sealed`;
    case 'lost':
      return `${builder(progress)} was lost: ${foreign(progress.reason)}`;
    case 'unfilled':
      return `${counted(progress.slots, 'slot')} without a result${progress.absent === true ? ': nobody is connected who could take them' : ''}`;
    case 'revealed':
      return progress.results.some(({ slot }) => slot === 'trusted')
        ? `the trusted worker came to ${names(progress.results.map(({ result }) => result))}`
        : `round ${progress.round} revealed: ${counted(progress.results.length, 'result')}`;
    case 'differs':
    case 'compared':
      return progress.count === 0 ? 'the builds were compared' : `${progress.count} files differ`;
    default:
      return decisionText(progress);
  }
}

function decisionText(progress: Progress): string {
  switch (progress.kind) {
    case 'agreed':
      return `${names(progress.by)} agree on ${tree(progress.artifact)}`;
    case 'failed':
      return `the test failed, alike at ${counted(progress.by.length, 'operator')}: ${names(progress.by)}`;
    case 'acknowledged':
      return `${escapeLine(progress.by, 80)} has looked at it`;
    case 'unconfirmed':
      return foreign(progress.says);
    case 'contradicted':
      // Whether it built something else or failed is told with the verdict: operators of the next round may listen.
      return `the trusted worker's build does not confirm ${tree(progress.artifact)}, which is revoked`;
    case 'cosigning':
      return 'the trusted worker looks at the evidence';
    case 'cosign-delayed':
      return `the trusted worker cannot check it yet and is asked again: ${coded(progress)}`;
    case 'cosign-refused':
      return `a trusted worker does not sign: ${coded(progress)}`;
    case 'witnessing':
      return 'witnesses look at the log';
    case 'unwitnessed':
      return `agreed on, and waits to be trusted: ${missingText(progress)}`;
    case 'pin-failed':
      return `no peer serves ${shortId(progress.artifact)}: ${foreign(progress.detail)}`;
    case 'input-lost':
      return `its result stands no more: ${foreign(progress.reason)}`;
    case 'reopened':
      return `built again: ${foreign(progress.reason)}`;
    case 'cancelled':
      return `cancelled: ${foreign(progress.reason)}`;
    case 'revoked':
      return `the verdict stands no more: the ${progress.what} ${escapeLine(progress.id, 200)} was revoked from leaf ${progress.since} on: ${foreign(progress.reason)}`;
    case 'restored':
      return `the verdict stands again: ${progress.key}, which revoked it, was revoked by the root key`;
    case 'verdict':
      return `verdict: ${escapeLine(verdictText(progress), 300)}`;
    default:
      return progress.kind;
  }
}

const coded = ({ code, message }: { code: string; message: string }): string =>
  `${code}: ${escapeLine(message, 300)}`;

function repeatedText(progress: Extract<Progress, { kind: 'repeated' }>): string {
  const { same, artifact, later } = progress;
  if (later === true && !same) return `built again in ${runOf(progress)}, which came to something else`;
  const alike = artifact === null ? 'the same outcome as' : 'the same bytes as';
  return `built again: ${same ? alike : 'something else than'} in ${runOf(progress)}`;
}

/** Signatures of the log that are still missing before an artifact is trusted that needs no co-signature. */
function missingText(missing: Extract<Progress, { kind: 'unwitnessed' }>): string {
  const { operators, operatorsNeeded, named, namedNeeded, namedMissing } = missing;
  const of = (who: readonly string[]) => (who.length === 0 ? '' : ` (${names(who)})`);
  const witnesses = `; ${named.length} of ${namedNeeded} witnesses of the charter have${of(named)}, missing${of(namedMissing)}`;
  return `workers of ${operators.length} of ${operatorsNeeded} operators have signed the log${of(operators)}${namedNeeded === 0 ? '' : witnesses}`;
}

/** Events this close to the first one are one entry. */
const withinMs = 1_000;

/** Events that happened together. */
export interface FoldedEvents {
  /** Of the first of them, ms since the epoch. */
  at: number;
  /** In words, as `eventText` gives them. */
  says: string[];
}

/** A history with fewer lines: each entry has the events of a second, and those of several operators in one sentence. */
export function foldHistory(history: readonly Told[]): FoldedEvents[] {
  const entries: { at: number; told: Progress[] }[] = [];
  for (const { at, progress } of history) {
    const last = entries.at(-1);
    if (last !== undefined && at >= last.at && at - last.at < withinMs) last.told.push(progress);
    else entries.push({ at, told: [progress] });
  }
  return entries.map(({ at, told }) => ({ at, says: sentences(told) }));
}

function sentences(told: readonly Progress[]): string[] {
  const says: string[] = [];
  for (let at = 0; at < told.length; ) {
    const one = told[at] as Progress;
    let end = at + 1;
    while (joined(one) && told[end]?.kind === one.kind && joined(told[end])) end++;
    says.push(end === at + 1 ? eventText(one) : together(told.slice(at, end)));
    at = end;
  }
  return says;
}

/** Events of which several in a row have one sentence: of operators, whose builds are told with their slots. */
const joined = (progress: Progress | undefined): boolean =>
  (progress?.kind === 'leased' || progress?.kind === 'delivered') && progress.slot !== 'trusted';

function together(told: readonly Progress[]): string {
  const who = listed(told.flatMap((one) => ('operator' in one ? [escapeLine(one.operator, 80)] : [])));
  return told[0]?.kind === 'leased' ? `${who} build` : `${who} are done; the results are sealed`;
}
