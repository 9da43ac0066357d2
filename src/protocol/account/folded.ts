import { escapeLine } from '../base/escape.ts';
import type { Progress } from '../wire/progress.ts';
import { eventText } from './event-text.ts';
import type { Told } from './times.ts';

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
  const names = told.flatMap((one) => ('operator' in one ? [escapeLine(one.operator, 80)] : []));
  const who = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return told[0]?.kind === 'leased' ? `${who} build` : `${who} are done; the results are sealed`;
}
