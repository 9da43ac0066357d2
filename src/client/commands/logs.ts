import type { LogChunk } from '../../member/client.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';
import { LogSteps } from '../../protocol/base/log-steps.ts';
import { clockText, type LineTimes, parseLogTimes } from '../../protocol/base/log-times.ts';
import { type Context, type Define, defineCommand, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';

interface Options {
  follow?: boolean;
  failed?: boolean;
  times?: boolean;
  worker?: string;
  project?: string;
}

export const logs: Define = (program, act) =>
  defineCommand(program, 'logs', {
    summary: 'print what builds of a job wrote',
    description:
      'Prints what the builds of a job wrote, each line with its operator, and what several wrote alike once. Control characters are shown, never obeyed. While a round is sealed only publishers see its logs.',
    examples: ['quorate logs 2a4b2f15', 'quorate logs 2a4b2f15 --failed --times'],
  })
    .argument('<job>', "a run's, job's or artifact's id, or the first 8 characters of it")
    .option('-f, --follow', 'go on until the verdict')
    .option('--worker <who>', "one worker's only: its operator's name, or the end of its id")
    .option('--failed', 'only the steps in which builds failed')
    .option('--times', 'time since the build began before each line, by the clock of its worker')
    .option(...whichProject)
    .action(act(run));

async function run(context: Context, which: string, options: Options): Promise<Exit> {
  const { out, signal } = context;
  const { follow = false, failed = false, times = false, worker, project } = options;
  if (follow && (failed || times)) {
    const hint = 'Leave out --follow: a log is complete, and has times, once its build is over.';
    throw new QuorateError('CLI_USAGE', '--follow does not go with --failed and --times', { hint });
  }
  await withClient(context, project, async (client) => {
    const { dim, bold } = out.colours;
    const lines = new LogLines(dim, bold);
    const groups = new LogGroups();
    let isShown = false;
    const say = (chunk: ShownLog) => {
      isShown = true;
      for (const line of lines.push(chunk)) out.print(line);
    };
    try {
      for await (const piece of client.logs(which, { follow, times, worker, signal })) {
        out.value(piece);
        for (const chunk of follow ? [piece] : groups.push(piece)) say(chunk);
      }
    } catch (cause) {
      if (!follow || !signal.aborted) throw cause;
      throw new QuorateError('CLI_INTERRUPTED', 'stopped following the logs', {
        hint: 'The job goes on: quorate show <job> tells how it ends.',
        cause,
      });
    }
    const logs = groups.end();
    for (const chunk of failed ? logs.flatMap(failedPart) : logs) say(chunk);
    out.print(...lines.end());
    if (failed && !isShown)
      out.note(`No build of ${escapeLine(which, 100)} failed in a step, as far as its logs say.`);
  });
  return exits.done;
}

/** The lines of the step in which a build failed, and those after it. */
export function failedPart(log: LogChunk): ShownLog[] {
  const steps = new LogSteps();
  const lines = log.text.split('\n');
  let isAborted = false;
  for (const [at, line] of lines.entries()) {
    steps.push(line, at + 1);
    isAborted ||= line.startsWith('quorate: aborted: ');
  }
  const last = steps.steps.at(-1);
  if (last === undefined || !(isAborted || last.failed?.allowed === false)) return [];
  return [{ ...log, from: last.line }];
}

/** `from`: the first line that is shown. */
type ShownLog = LogChunk & { from?: number };

/** Text held back at most, in characters; beyond it logs are printed as they come. */
const heldMax = 64 * 1024 * 1024;

/** Holds the logs of finished builds back until they are complete, so that identical ones are shown once. */
export class LogGroups {
  readonly #held = new Map<string, { chunk: LogChunk; texts: string[] }>();
  #chars = 0;
  #full = false;

  /** Adds a chunk. Returns the chunks to print now: none while the held text is within the bound. */
  push(chunk: LogChunk): LogChunk[] {
    if (this.#full) return [chunk];
    const key = `${chunk.worker} ${chunk.slot}`;
    const held = this.#held.get(key) ?? { chunk, texts: [] };
    this.#held.set(key, held);
    held.texts.push(chunk.text);
    this.#chars += chunk.text.length;
    if (this.#chars <= heldMax) return [];
    this.#full = true;
    return [...this.#held.values()].flatMap(({ chunk: of, texts }) => texts.map((text) => ({ ...of, text })));
  }

  /** The logs held back, identical ones under the names of all their operators. */
  end(): LogChunk[] {
    if (this.#full) return [];
    const groups = new Map<string, LogChunk & { operators: string[] }>();
    for (const { chunk, texts } of this.#held.values()) {
      const text = texts.join('');
      const known = groups.get(text);
      if (known === undefined) groups.set(text, { ...chunk, text, operators: [chunk.operator] });
      else if (!known.operators.includes(chunk.operator)) known.operators.push(chunk.operator);
    }
    return [...groups.values()].map(({ operators, ...chunk }) => ({
      ...chunk,
      operator: operators.join(', '),
    }));
  }
}

interface LogSource {
  head: string;
  escaper: LineEscaper;
  steps: LogSteps;
  /** Lines so far. */
  count: number;
  from: number;
  times: LineTimes;
  /** Of the last line. */
  ms: number;
}

/** Merges logs of several builds into whole lines, each prefixed with its operator and its time, control characters escaped. */
export class LogLines {
  readonly #sources = new Map<string, LogSource>();
  readonly #paint: (head: string) => string;
  readonly #paintStep: (line: string) => string;

  constructor(paint: (head: string) => string, paintStep = (line: string): string => line) {
    this.#paint = paint;
    this.#paintStep = paintStep;
  }

  /** The lines that this chunk completes. */
  push({ worker, operator, slot, text, times = '', from = 1 }: ShownLog): string[] {
    const key = `${worker} ${slot}`;
    const source = this.#sources.get(key) ?? {
      head: this.#paint(`${escapeLine(operator, 200)}│`),
      escaper: new LineEscaper(),
      steps: new LogSteps(),
      times: parseLogTimes(times),
      count: 0,
      from,
      ms: 0,
    };
    this.#sources.set(key, source);
    return this.#shown(source, source.escaper.push(text));
  }

  /** The last lines, which have no line break. */
  end(): string[] {
    return [...this.#sources.values()].flatMap((source) => this.#shown(source, source.escaper.end()));
  }

  #shown(source: LogSource, lines: readonly string[]): string[] {
    return lines.flatMap((line) => {
      const at = ++source.count;
      source.ms = source.times.get(at) ?? source.ms;
      const isStep = source.steps.push(line, at) !== undefined;
      if (at < source.from) return [];
      const time = source.times.size === 0 ? '' : ` ${this.#paint(clockText(source.ms).padStart(7))}`;
      return [`${source.head}${time} ${isStep ? this.#paintStep(line) : line}`];
    });
  }
}
