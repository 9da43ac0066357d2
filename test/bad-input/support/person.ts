import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { command, Inside } from '../../e2e/support/inside.ts';
import { Proc, scratch } from '../../e2e/support/processes.ts';
import type { Told } from '../../e2e/support/told.ts';
import { caches } from '../../support/caches.ts';
import { quorateWords } from '../../support/program.ts';

export interface StartOptions {
  cwd?: string;
  home?: string;
  env?: Record<string, string>;
  /** A command to run it in, as `unshare`, `setpriv` or a shell. */
  within?: string[];
}

export interface InsideOptions extends Pick<StartOptions, 'cwd' | 'home'> {
  ms?: number;
}

export interface Answer {
  code: number | null;
  out: string;
  err: string;
  /** Everything, for messages. */
  report: string;
}

/** Somebody at a machine: folders of their own, and the commands they type. No `--json`. */
export class Person {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async arrive(): Promise<Person> {
    const person = new Person(await scratch());
    await mkdir(person.tmp);
    await mkdir(person.at('folder'));
    return person;
  }

  at(...path: string[]): string {
    return join(this.dir, ...path);
  }

  get tmp(): string {
    return this.at('tmp');
  }

  env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      TMPDIR: this.tmp,
      LANG: 'C.UTF-8',
      ...caches,
    };
  }

  command(args: string[], { home = this.at('home') }: StartOptions = {}): string[] {
    return [...quorateWords, '--home', home, ...args];
  }

  start(args: string[], options: StartOptions = {}): Proc {
    const { cwd = this.at('folder'), env = {}, within = [] } = options;
    const [program = '', ...rest] = [...within, ...this.command(args, options)];
    const name = `quorate ${args.join(' ')}`.slice(0, 60);
    return new Proc(name, program, rest, { cwd, env: { ...this.env(), ...env } });
  }

  async run(args: string[], options: StartOptions & { ms?: number } = {}): Promise<Answer> {
    const proc = this.start(args, options);
    const { code } = await proc.end(options.ms);
    return { code, out: said(proc), err: proc.stderr, report: proc.report() };
  }

  /** The same without a process: for what is about the answer alone. */
  async inside(
    args: string[],
    { cwd = this.at('folder'), home = this.at('home'), ms }: InsideOptions = {},
  ): Promise<Answer> {
    const run = new Inside(`quorate ${args[0] ?? ''}`, command(args, { cwd, home, json: false }));
    const { code } = await run.end(ms);
    return { code, out: said(run), err: run.stderr, report: run.report() };
  }

  /** Files that commands have left in the folder for temporary files. */
  async litter(): Promise<string[]> {
    return (await readdir(this.tmp, { recursive: true })).filter((name) => !name.includes('compile-cache'));
  }
}

/** Standard output: JSON lines are told apart from others. */
export function said(proc: Told): string {
  return [...proc.lines.map((line) => `${JSON.stringify(line)}\n`), proc.text].join('');
}

/** The code an error for people begins with. */
export const codeIn = (text: string): string | undefined => /^error\[(\w+)\]: ./m.exec(text)?.[1];
