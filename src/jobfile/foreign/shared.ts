import { limits } from '../../protocol/base/limits.ts';
import { shellWord } from '../../protocol/base/shell-word.ts';
import { documentLimits } from '../../protocol/documents/limits.ts';
import { commandSchema } from '../../protocol/documents/step.ts';
import { jobFileLimits } from '../limits.ts';
import type { DraftJob, DraftStep } from './draft.ts';
import type { Finding, Value } from './reading.ts';

/** Facts about the repository that the file is in. */
export interface Surrounding {
  /** Lock files at its top. */
  lockFiles: readonly string[];
}

export const newJob = (name: string): DraftJob => ({
  name,
  isTest: true,
  shell: 'bash',
  needs: [],
  matrix: {},
  refs: [],
  env: {},
  dependencies: [],
  steps: [],
  todo: [],
});

/** Room for the values of a matrix, which are added to it. */
const nameCharsMax = 32;

/** A name that a job may have, and none of these has. */
export function jobName(wanted: string, taken: Iterable<string>): string {
  const names = new Set(taken);
  const plain = wanted.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  const base = (plain === '' ? 'job' : plain).slice(0, nameCharsMax);
  let name = base;
  for (let at = 2; names.has(name); at++) name = `${base.slice(0, nameCharsMax - 4)}-${at}`;
  return name;
}

export const reasons = {
  image:
    'a job runs on the system of its worker (image: host), or in an image of yours: quorate image build, or quorate image pull HOST/NAME@sha256:…, then image: <cid>',
  secret:
    'a build never has a secret: what needs one runs on your own machine, after the build (quorate on trusted)',
  network:
    'a build has no network: tools belong in the image, packages come from lock files (docs/dependencies.md)',
  cache: 'there is no cache: packages come from lock files (dependencies:)',
  service: 'a step starts the server that it needs, on loopback (docs/steps.md, a server for tests)',
  schedule: 'there is no schedule: let cron run "quorate run --rebuild"',
  trigger: 'what is built at a push is set in watch.toml (docs/watch.md), not here',
  condition: 'only if: {ref: …, changed: …} holds or skips a job: this one now always runs',
  expression: 'the value is not known here; the step fails until it is replaced',
  variable:
    'it is not set: commit and time are in QUORATE_COMMIT, SOURCE_DATE_EPOCH (docs/sandbox.md, environment variables)',
  deploy: 'a build has no rights anywhere: publish what is trusted with quorate on trusted',
  unknown: 'it has no counterpart',
} as const;

const networkTools =
  /(?:^|[\s;&|(])(?:apt(?:-get)? (?:-\S+ )*(?:install|update)|apk add|dnf install|yum install|brew install|curl|wget|docker(?:-compose)?|podman|ssh|scp|rsync|git (?:clone|fetch|push|pull))(?=\s|$)/;

/** Commands that put something where others get it. */
const publishing =
  /(?:^|[\s;&|(])(?:(?:npm|pnpm|yarn|yarn npm|cargo|poetry|uv|flit|hatch|dart pub|bun) publish|twine upload|(?:docker|podman|helm|gem|nuget|dotnet nuget) push|docker buildx build\b[^\n]{0,500} --push|git push|gh release (?:create|upload)|goreleaser|semantic-release|npx semantic-release)(?=[\s;&|)]|$)/;

/** The command without lines that publish, each of which becomes one that does nothing; undefined where only a reader could take it out. */
function withoutPublishing(run: string): string | undefined {
  const lines = run.split('\n').map((line) => {
    const isAlone = !/[\\&|;]\s*$/.test(line) && publishing.exec(line.trim())?.index === 0;
    return isAlone ? `${/^\s*/.exec(line)?.[0]}: # left out: ${line.trim()}` : line;
  });
  const isRest = lines.some((line) => line.trim() !== '' && !/^\s*:? ?#/.test(line));
  const left = lines.filter((line) => !/^\s*: # left out: /.test(line)).join('\n');
  return isRest && !publishing.test(left) ? lines.join('\n') : undefined;
}

const lockTools: readonly (readonly [RegExp, string])[] = [
  [/\bnpm (?:ci|install|i|test|run)\b|\bnpx\b/, 'package-lock.json'],
  [/\bpnpm\b/, 'pnpm-lock.yaml'],
  [/\byarn\b/, 'yarn.lock'],
  [/\bcargo\b/, 'Cargo.lock'],
  [/\bgo (?:build|test|vet|mod|install|run)\b/, 'go.sum'],
  [/\bpip3? install\b/, 'requirements.txt'],
];

/** Looks at a command: notes what it lacks here, and adds the lock files that its tools read. */
export function lookAt(
  command: string,
  at: Value,
  job: DraftJob,
  { lockFiles }: Surrounding,
  foreignVariables: RegExp,
): Finding[] {
  const todo: Finding[] = [];
  const [network] = networkTools.exec(command) ?? [];
  if (network !== undefined) todo.push(at.find(network.trim(), reasons.network));
  for (const [tool, lock] of lockTools)
    if (tool.test(command) && lockFiles.includes(lock) && !job.dependencies.includes(lock))
      job.dependencies.push(lock);
  for (const variable of new Set(command.match(foreignVariables)))
    todo.push(at.find(variable, reasons.variable));
  return todo;
}

/** A name as a step may have it; undefined for none. */
export function stepName(text: string | undefined): { name?: string } {
  const name = text
    ?.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .trim()
    .slice(0, documentLimits.stepNameCharsMax);
  return name === undefined || name === '' ? {} : { name };
}

const envName = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const envCharsMax = 4096;

/** Findings about a value in which GitLab and Woodpecker fill in a variable; a job has values as they are. */
export function unfilled(text: string, at: Value): Finding[] {
  const [name] = /(?<!\$)\$\{?[A-Za-z_]\w{0,63}/.exec(text) ?? [];
  return name === undefined
    ? []
    : [at.find(`${name} in a variable`, 'no variable is filled in within another: write its value')];
}

/** Adds the variables of a mapping to a job. `value`: what becomes of one, undefined where it is left out. */
export function addEnv(
  job: DraftJob,
  env: Value,
  value: (text: string, at: Value) => string | undefined,
): void {
  for (const [name, at] of env.entries()) {
    const { text = '' } = at;
    const kept = at.isMap || at.isList ? undefined : value(text, at);
    if (kept === undefined) {
      if (at.get('from_secret').isThere) job.todo.push(at.find(`secret ${name}`, reasons.secret));
      else if (at.isMap || at.isList) job.todo.push(at.find(name, 'only text can be a variable'));
    } else if (envName.test(name) && kept.length <= envCharsMax && !/\p{Cc}/u.test(kept))
      job.env[name] = kept;
    else job.todo.push(at.find(name, 'no variable can have this name or value'));
  }
}

/** Combinations that a job may have, with those of the others of its file. */
const combinationsMax = 50;

const combinationsOf = ({ matrix }: DraftJob): number =>
  Object.values(matrix).reduce((product, list) => product * list.length, 1);

/** Adds one key of a matrix. Values beyond the bound are left out, so that the file can be read. */
export function addAxis(job: DraftJob, key: string, values: Value): void {
  const texts = [...new Set(values.items().flatMap(({ text }) => text ?? []))].filter(
    (text) => text !== '' && text.length <= jobFileLimits.valueCharsMax && !/\p{Cc}|\$\{\{/u.test(text),
  );
  const isWhole = texts.length === values.items().length;
  const others = combinationsOf(job);
  const most = Math.floor(combinationsMax / others);
  const hasRoom = Object.keys(job.matrix).length < jobFileLimits.matrixKeysMax;
  const isKey = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(key);
  if (texts.length > 0 && isKey && hasRoom) job.matrix[key] = texts.slice(0, Math.max(1, most));
  if (texts.length === 0 || !isKey || !hasRoom)
    job.todo.push(values.find(`matrix ${key}`, 'a key of a matrix is a list of texts or numbers'));
  else if (texts.length > most)
    job.todo.push(
      values.find(
        `matrix ${key}`,
        `of ${texts.length} values ${Math.max(1, most)} are kept: all jobs of a file come to ${jobFileLimits.jobsMax} at most`,
      ),
    );
  else if (!isWhole)
    job.todo.push(values.find(`matrix ${key}`, 'values that are no text or number are left out'));
}

/** Leaves out keys of the matrix that only named versions of tools for images or actions: each job would be the same. */
export function leaveOutAxes(
  job: DraftJob,
  matrix: Value | undefined,
  isUsed: (key: string) => boolean,
): void {
  for (const key of Object.keys(job.matrix)) {
    if (matrix === undefined || isUsed(key)) continue;
    delete job.matrix[key];
    job.todo.push(
      matrix
        .get(key)
        .find(`matrix ${key}`, 'no command has it: for another version of a tool, a job with another image'),
    );
  }
}

const plainPath = /^[\w./*?@+,:=-]+$/;

/** A step that makes paths of the checkout part of the artifact; undefined where there are none. */
export function keepStep(name: string, paths: readonly Value[], job: DraftJob): DraftStep | undefined {
  const todo: Finding[] = [];
  const kept: string[] = [];
  for (const at of paths)
    for (const line of (at.text ?? '').split('\n').map((one) => one.trim())) {
      if (line === '') continue;
      if (/^[!~/-]|\$|\*\*|(?:^|\/)\.\.(?:\/|$)/.test(line))
        todo.push(at.find(line, 'copy what should become the artifact below $OUT'));
      else kept.push(plainPath.test(line) ? line : shellWord(line));
    }
  if (kept.length === 0) {
    job.todo.push(...todo);
    return undefined;
  }
  job.isTest = false;
  return { ...stepName(name), run: `cp -R --parents -- ${kept.join(' ')} "$OUT"`, todo };
}

/** A command in the bounds of a step. */
export function addStep(job: DraftJob, at: Value, step: DraftStep): void {
  const run = step.run.replaceAll('\r\n', '\n').trimEnd();
  if (run === '') return;
  if (!commandSchema.safeParse(run).success)
    job.todo.push(at.find('run', 'the command is too long, or holds control characters: put it into a file'));
  else if (job.steps.length >= limits.jobStepsMax - 1)
    job.todo.push(at.find('run', `a job has at most ${limits.jobStepsMax} steps`));
  else {
    const [publishes] = publishing.exec(run) ?? [];
    if (publishes === undefined) job.steps.push({ ...step, run });
    else {
      const todo = [...step.todo, at.find(publishes.trim(), reasons.deploy)];
      const rest = withoutPublishing(run);
      job.steps.push({ ...step, run: rest ?? run, isLeftOut: rest === undefined, todo });
    }
  }
}

/** As many jobs as are kept, and one by which `finished` knows that there are more. */
export const firstJobs = (jobs: Iterable<[id: string, job: Value]>): [id: string, job: Value][] =>
  [...jobs].slice(0, jobFileLimits.jobsMax + 1);

/** Jobs as they can be written: each has a step, and needs only jobs that there are. */
export function finished(jobs: DraftJob[], at: Value): DraftJob[] {
  if (jobs.length > jobFileLimits.jobsMax)
    at.find('jobs', `the first ${jobFileLimits.jobsMax} jobs are kept: a file has no more`);
  const kept = jobs.slice(0, jobFileLimits.jobsMax);
  let combinations = 0;
  for (const [index, job] of kept.entries()) {
    if (job.steps.every(({ isLeftOut }) => isLeftOut))
      job.steps.push({ run: 'echo "nothing of this job has a counterpart yet" >&2; false', todo: [] });
    const earlier = new Set(kept.map(({ name }) => name).filter((name) => name !== job.name));
    job.needs = [...new Set(job.needs)].filter((name) => earlier.has(name));
    const left = jobFileLimits.jobsMax - combinations - (kept.length - index - 1);
    for (const [key, values] of Object.entries(job.matrix)) {
      const others = combinationsOf(job) / values.length;
      const most = Math.max(1, Math.floor(left / others));
      if (values.length <= most) continue;
      job.matrix[key] = values.slice(0, most);
      job.todo.push(
        at.find(
          `matrix ${key} of ${job.name}`,
          `of ${values.length} values ${most} are kept: all jobs of a file come to ${jobFileLimits.jobsMax} at most`,
        ),
      );
    }
    combinations += combinationsOf(job);
  }
  for (const job of kept)
    if (job.isTest && kept.some(({ needs }) => needs.includes(job.name))) job.cosigned = true;
  return kept;
}
