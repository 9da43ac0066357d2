import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from '../../e2e/support/git.ts';
import type { Ground } from '../../e2e/support/ground.ts';
import { command, Inside } from '../../e2e/support/inside.ts';
import { sayScript } from '../../e2e/support/jobs.ts';
import { sleep, until } from '../../e2e/support/wait.ts';

/** Between two looks at the list of runs. */
const lookMs = 500;

export interface Run {
  commit: string;
  says: string;
  run?: string;
  artifact?: string;
}

interface Listed {
  run: string;
  commit: string;
  state: string;
  level: string | null;
  artifact?: string | null;
}

/** Runs of a project: commits that are pushed, and what comes of them. */
export class Runs {
  readonly #ground: Ground;
  readonly all: Run[] = [];
  #fetches = 0;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** Pushes a commit, which the watcher publishes. */
  async push(): Promise<Run> {
    const says = (await this.#ground.commit()).replace('echo ', '');
    const run: Run = { says, commit: await git(this.#ground.repository, 'rev-parse', 'HEAD') };
    this.all.push(run);
    return run;
  }

  get trusted(): readonly Run[] {
    return this.all.filter(({ artifact }) => artifact !== undefined);
  }

  /** Waits until a run is trusted, and keeps its bundle. Returns what it is otherwise, after that time. */
  async settle(run: Run, ms: number): Promise<string | undefined> {
    const end = performance.now() + ms;
    let last = 'not published';
    for (;;) {
      const found = (await this.#list()).find(({ commit }) => commit === run.commit);
      if (found !== undefined) {
        run.run = found.run;
        last = `${found.state}, ${found.level ?? 'no level'}`;
        if (found.level === 'trusted' && typeof found.artifact === 'string') {
          run.artifact = found.artifact;
          await this.#keep(found.run);
          return undefined;
        }
        if (found.state === 'done' && found.level !== 'agreed') return last;
      }
      if (performance.now() > end) return last;
      await sleep(lookMs);
    }
  }

  /** Runs of which `quorate verify`, offline, refuses the artifact with the bundles of a folder, and why. */
  async refused(bundles: string): Promise<Map<Run, string>> {
    const refused = new Map<Run, string>();
    for (const one of this.trusted) {
      const { run = '', says } = one;
      const folder = join(this.#ground.hosts.dir, 'made', run);
      await mkdir(join(folder, 'bin'), { recursive: true });
      await writeFile(join(folder, 'bin', 'say'), sayScript(says), { mode: 0o755 });
      const args = [
        'verify',
        folder,
        '--bundle',
        join(bundles, `${run}.json`),
        '--project',
        this.#ground.project,
      ];
      const place = { home: this.#ground.hosts.home('reader'), cwd: this.#ground.hosts.dir, json: true };
      const verify = new Inside('quorate verify', command(args, place), args);
      const { code } = await verify.end();
      if (code !== 0) refused.set(one, verify.report());
    }
    return refused;
  }

  /** Why a stranger does not get an artifact with its proof; undefined where it does. */
  async unfetched({ run = '', artifact = '', says }: Run, more: string[] = []): Promise<string | undefined> {
    const came = await this.#ground.fetch(artifact, `${++this.#fetches}-${run}`, { more });
    return came === `echo ${says}` ? undefined : `the artifact of ${run} is not to be had: ${came}`;
  }

  /** Runs that a restore met on their way and that became trusted all the same. Their bundles are asked for, since a backup has none. */
  async adopt(): Promise<string[]> {
    const listed = await this.#list();
    const failed: string[] = [];
    for (const one of this.all.filter(({ artifact }) => artifact === undefined)) {
      const found = listed.find(({ commit, level }) => commit === one.commit && level === 'trusted');
      if (found === undefined || typeof found.artifact !== 'string') continue;
      Object.assign(one, { run: found.run, artifact: found.artifact });
      const why = await this.unfetched(one, ['--bundle-out', join(this.kept, `${found.run}.json`)]);
      if (why !== undefined) failed.push(why);
    }
    return failed;
  }

  async #list(): Promise<Listed[]> {
    const { lines } = await this.#ground.hosts.answer('world', ['jobs'], { home: 'owner' });
    return lines.flat() as unknown as Listed[];
  }

  /** Where the evidence of trusted runs is kept, as it was when they became so. */
  get kept(): string {
    return join(this.#ground.hosts.dir, 'kept');
  }

  async #keep(run: string): Promise<void> {
    await mkdir(this.kept, { recursive: true });
    const from = join(this.#ground.home('controller'), '.quorate', 'bundles', `${run}.json`);
    await until('the bundle', () =>
      copyFile(from, join(this.kept, `${run}.json`)).then(
        () => true,
        () => false,
      ),
    );
  }
}
