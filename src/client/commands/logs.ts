import type { LogChunk } from '../../member/client.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';
import { type Context, type Define, examples, whichProject } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';

interface Options {
  follow?: boolean;
  worker?: string;
  project?: string;
}

export const logs: Define = (program, act) =>
  program
    .command('logs')
    .summary('print what builds of a job wrote')
    .description(
      'Prints what the builds of a job wrote, each line with its operator, and what several wrote alike once. Control characters are shown, never obeyed. While a round is sealed only publishers see its logs.',
    )
    .argument('<job>', "a run's, job's or artifact's id, or the first 8 characters of it")
    .option('-f, --follow', 'go on until the verdict')
    .option('--worker <who>', "one worker's only: its operator's name, or the end of its id")
    .option(...whichProject)
    .addHelpText('after', examples('quorate logs 2a4b2f15', 'quorate logs 2a4b2f15 --follow'))
    .action(act(run));

async function run(context: Context, which: string, options: Options): Promise<Exit> {
  const { out, signal } = context;
  const { follow = false, worker, project } = options;
  await withClient(context, project, async (client) => {
    const lines = new LogLines(out.colours.dim);
    const groups = new LogGroups();
    const say = (chunk: LogChunk) => {
      for (const line of lines.push(chunk)) out.print(line);
    };
    try {
      for await (const piece of client.logs(which, { follow, worker, signal })) {
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
    for (const chunk of groups.end()) say(chunk);
    out.print(...lines.end());
  });
  return exits.done;
}

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

/** Merges logs of several builds into whole lines, each prefixed with its operator, control characters escaped. */
export class LogLines {
  readonly #sources = new Map<string, { head: string; lines: LineEscaper }>();
  readonly #paint: (head: string) => string;

  constructor(paint: (head: string) => string) {
    this.#paint = paint;
  }

  /** The lines that this chunk completes. */
  push({ worker, operator, slot, text }: LogChunk): string[] {
    const key = `${worker} ${slot}`;
    const known = this.#sources.get(key);
    const source = known ?? {
      head: this.#paint(`${escapeLine(operator, 200)}│`),
      lines: new LineEscaper(),
    };
    this.#sources.set(key, source);
    return source.lines.push(text).map((line) => `${source.head} ${line}`);
  }

  /** The last lines, which have no line break. */
  end(): string[] {
    return [...this.#sources.values()].flatMap(({ head, lines }) =>
      lines.end().map((line) => `${head} ${line}`),
    );
  }
}
