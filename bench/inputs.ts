import type { JobSpec } from '../src/jobfile/index.ts';
import { parseJobFile } from '../src/jobfile/index.ts';
import type { Request } from '../src/protocol/documents/index.ts';
import { spent } from '../test/e2e/support/live-project.ts';
import { sleep } from '../test/e2e/support/wait.ts';
import { openProject } from './course.ts';
import { type Bench, median } from './run.ts';

const read = ['one', 'two', 'three'];
const rounds = 5;
const quietMs = 1_000;
const secondsMax = 800;

/** A build's work beside its start: nothing, and about a second of a processor. */
const works = {
  'an empty build': 'true',
  'a build of a second': 'head -c 1000000000 /dev/zero | sha256sum >$OUT/sum',
};

const job = (name: string, run: string): string =>
  `  ${name}:
    run: [${JSON.stringify(run)}]
    limits: {cpus: 1, memory: 256MiB, disk: 64MiB, time: 5m}
`;
/** A few files of ten kilobytes each. */
const small = (name: string): string =>
  job(name, `for n in 1 2 3 4 5; do yes ${name} $n | head -c 10000 >$OUT/$n; done`);
const jobFile = `jobs:\n${read.map(small).join('')}${Object.values(works)
  .map((run, n) => job(`work-${n}`, run))
  .join('')}`;

interface Cost {
  /** From its submission until it was trusted. */
  ms: number;
  /** Processor time of controller and workers, their builds included. */
  processorMs: number;
}

type Needs = NonNullable<Request['needs']>;

/** The same build with three small inputs and without any, in pairs. */
export async function inputs(bench: Bench): Promise<void> {
  const signal = AbortSignal.timeout(secondsMax * 1000);
  const project = await openProject(bench, signal, jobFile);
  const commit = await project.newCommit(signal);
  const trusted = async (spec: JobSpec, needs?: Needs): Promise<string> => {
    const { run } = await project.submit(commit, spec, needs);
    await project.trusted(run, signal);
    return run;
  };
  const cost = async (spec: JobSpec, needs?: Needs): Promise<Cost> => {
    const [before, began] = [await project.used(), performance.now()];
    await trusted(spec, needs);
    const ms = performance.now() - began;
    // Storing logs and bundles after a verdict is a part of the cost: it ends before the next job begins.
    await sleep(quietMs);
    return { ms, processorMs: spent(before, await project.used()) };
  };
  const { jobs } = parseJobFile(jobFile, 'quorate.yaml');
  const named = (name: string): JobSpec => {
    const found = jobs.find((spec) => spec.name === name);
    if (found === undefined) throw new Error(`the job file has no ${name}`);
    return found;
  };
  const needs: Needs = {};
  for (const name of read) needs[name] = { request: await trusted(named(name)), level: 'trusted' };
  for (const [n, what] of Object.keys(works).entries()) {
    const spec = named(`work-${n}`);
    const [plain, reading]: [Cost[], Cost[]] = [[], []];
    for (let round = 0; round <= rounds; round += 1) {
      plain.push(await cost(spec));
      reading.push(await cost(spec, needs));
    }
    for (const key of ['ms', 'processorMs'] as const) {
      // The first of each fetches the source, and the inputs.
      const [without = Number.NaN, with3 = Number.NaN] = [plain, reading].map((all) =>
        median(all.slice(1).map((cost) => cost[key])),
      );
      const name = key === 'ms' ? 'until it is trusted' : 'processor time of all nodes';
      bench.figure(`${what} with three small inputs, ${name}`, with3, 'ms', {
        beside: ['ms without', without],
        ...(n > 0 && { under: 1.1 }),
      });
    }
  }
}
