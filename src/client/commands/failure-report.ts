import type { Client, LogChunk } from '../../member/client.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';
import { type LogStep, LogSteps } from '../../protocol/base/log-steps.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import { asQuorateError } from '../../terminal/errors.ts';
import { LogHints } from '../../terminal/log-hints.ts';
import type { Output } from '../../terminal/output.ts';

/** States and levels of runs of which builds failed or were aborted, whose logs are told. */
export const withLogs: ReadonlySet<string> = new Set(['failed', 'aborted', 'disputed', 'unfinished']);

/** The last lines shown of a failed build. */
const linesShown = 12;
/** Characters that are kept of a result: more than a line shows. */
const resultCharsMax = 1_000;
/** Logs are printed after the verdict is out: they may take this long. */
const readMsMax = 20_000;

export type FailedResult = Extract<Progress, { kind: 'revealed' }>['results'][number];

/** Failed and aborted builds among the results that were revealed. A result with outputs is their CID. */
export const failedResults = (history: readonly Progress[]): FailedResult[] =>
  history
    .flatMap((progress) => (progress.kind === 'revealed' ? progress.results : []))
    .filter(({ result }) => /^(exit [0-9]+|aborted: )/.test(result))
    .map((of) => ({ ...of, result: of.result.slice(0, resultCharsMax) }));

class BuildTail {
  readonly #escaper = new LineEscaper();
  readonly lines: string[] = [];
  readonly hints = new LogHints();
  readonly #steps = new LogSteps();
  #count = 0;

  /** The one that ran last. */
  get step(): LogStep | undefined {
    return this.#steps.steps.at(-1);
  }

  push(text: string): void {
    for (const line of this.#escaper.push(text)) this.#line(line);
  }

  end(): void {
    for (const line of this.#escaper.end()) this.#line(line);
  }

  #line(line: string): void {
    this.hints.push(line);
    const says = this.#steps.push(line, ++this.#count);
    if (says === 'begun') this.lines.length = 0;
    else if (says === undefined || this.step?.failed?.allowed === true) this.lines.push(line);
    if (this.lines.length > linesShown) this.lines.shift();
  }
}

interface Failure {
  operators: string[];
  says: string;
  tail: BuildTail;
}

/** Prints who saw each kind of failure, its step, and the end of one log. Nothing with --json: `quorate logs` gives them whole. */
export async function sayFailure(
  out: Output,
  client: Pick<Client, 'logs'>,
  run: string,
  results: readonly FailedResult[],
  signal: AbortSignal,
): Promise<void> {
  if (out.json || results.length === 0) return;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(readMsMax)]);
  const failures = await tailsOf(client.logs(run, { follow: false, signal: limit }), results).then(
    (tails) => failuresOf(results, tails),
    (error: unknown) => {
      out.note(`The logs could not be read: ${escapeLine(asQuorateError(error).message, 300)}`);
      return [];
    },
  );
  const { dim, red, yellow } = out.colours;
  for (const { operators, says, tail } of failures) {
    out.say(red(`${operators.join(', ')}: ${says}`));
    out.print(...tail.lines.map((line) => `${dim('  │')} ${line}`));
  }
  for (const hint of new Set(failures.flatMap(({ tail }) => tail.hints.hint ?? []))) out.say(yellow(hint));
}

/** The ends of the logs of these results alone. */
async function tailsOf(
  pieces: AsyncIterable<LogChunk>,
  results: readonly FailedResult[],
): Promise<Map<string, BuildTail>> {
  const tails = new Map(results.map(({ worker, slot }) => [`${worker} ${slot}`, new BuildTail()]));
  for await (const { worker, slot, text } of pieces) tails.get(`${worker} ${slot}`)?.push(text);
  for (const tail of tails.values()) tail.end();
  return tails;
}

function failuresOf(results: readonly FailedResult[], tails: ReadonlyMap<string, BuildTail>): Failure[] {
  const failures = new Map<string, Failure>();
  for (const { worker, slot, operator, result } of results) {
    const tail = tails.get(`${worker} ${slot}`);
    if (tail === undefined) continue;
    const says = whereItEnded(tail, result);
    const known = failures.get(says);
    if (known === undefined) failures.set(says, { operators: [operator], says, tail });
    else if (!known.operators.includes(operator)) known.operators.push(operator);
  }
  return [...failures.values()];
}

function whereItEnded({ step }: BuildTail, result: string): string {
  const how = escapeLine(result, 300);
  if (step === undefined) return how;
  const at = `step ${step.n} of ${step.of}`;
  // A limit ends a build in the middle of a step, which may seem to fail by itself; outputs are looked at after the last one.
  if (/^aborted: (?!outputs)/.test(result)) return `${how}, in ${at}: ${step.name}`;
  if (step.failed?.allowed === false) return `${at} failed with exit ${step.failed.code}: ${step.name}`;
  return `${how}, after ${at}: ${step.name}`;
}
