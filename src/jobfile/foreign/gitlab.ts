import { jobFileLimits } from '../limits.ts';
import type { DraftJob } from './draft.ts';
import type { Finding, ForeignFile, Value } from './reading.ts';
import {
  addAxis,
  addEnv,
  addStep,
  finished,
  firstJobs,
  jobName,
  keepStep,
  leaveOutAxes,
  lookAt,
  newJob,
  reasons,
  type Surrounding,
  unfilled,
} from './shared.ts';

const variables = /\b(?:CI_[A-Z_]+|GITLAB_[A-Z_]+)\b/g;
const usualStages = ['.pre', 'build', 'test', 'deploy', '.post'];
/** Top keys that are no jobs. */
const keywords = new Set([
  ...['stages', 'variables', 'default', 'image', 'before_script', 'after_script', 'cache', 'services'],
  ...['include', 'workflow', 'types', 'spec'],
]);
/** Deepest chain of `extends`, and templates that one job or template extends. */
const extendsMax = 10;
const basesMax = 20;

const leftOut: Readonly<Record<string, string>> = {
  after_script: 'a job ends with its first step that fails',
  cache: reasons.cache,
  coverage: reasons.unknown,
  dast_configuration: reasons.unknown,
  environment: reasons.deploy,
  id_tokens: reasons.secret,
  identity: reasons.secret,
  image: reasons.image,
  inherit: reasons.unknown,
  pages: reasons.deploy,
  release: reasons.deploy,
  resource_group: reasons.unknown,
  retry: 'a build is not repeated by itself: quorate run --failed',
  secrets: reasons.secret,
  services: reasons.service,
  tags: reasons.image,
  trigger: 'a pipeline of others is not started',
};

export function fromGitlab({ top }: ForeignFile, around: Surrounding): DraftJob[] {
  for (const key of ['include', 'workflow', 'cache', 'services', 'after_script']) {
    const says = key === 'include' ? 'files of others are not read: write their jobs here' : leftOut[key];
    top.findKey(key, key === 'workflow' ? reasons.trigger : (says ?? reasons.unknown));
  }
  const all = [...top.entries()].filter(([name, value]) => value.isMap && !keywords.has(name));
  const named = firstJobs(all.filter(([name]) => !name.startsWith('.')));
  const known = new Map<Value, Keys>();
  const names = new Map<string, string>();
  const stages = [...(top.get('stages').isThere ? top.get('stages').texts() : usualStages)];
  const made: { job: DraftJob; stage: number; own: boolean; id: string; value: Keys }[] = [];
  for (const [id, value] of named) {
    const name = jobName(id, names.values());
    names.set(id, name);
    const keys = merged(value, { top, known }, 0);
    const job = newJob(name);
    const stage = stages.indexOf(keys.get('stage')?.text ?? 'test');
    made.push({ job, stage, own: keys.has('needs') || keys.has('dependencies'), id, value: keys });
  }
  for (const { job, stage, own, value } of made) {
    const needs = own ? needed(value) : before(made, stage);
    const from = needs.flatMap((id) => made.find((one) => one.id === id) ?? []);
    job.needs = from.map((one) => one.job.name);
  }
  for (const { job, value, id } of made) read(job, value, top, id, around);
  // There the artifacts of the jobs before lie in the checkout.
  for (const { job } of made) {
    const builds = made.filter((one) => job.needs.includes(one.job.name) && !one.job.isTest);
    if (builds.length > 0)
      job.steps.unshift({
        name: 'Take what was built',
        run: builds.map((one) => `cp -R /build/in/${one.job.name}/. .`).join('\n'),
        todo: [],
      });
  }
  return finished(
    made.map(({ job }) => job),
    top,
  );
}

type Keys = Map<string, Value>;

/** The keys of a job, with those of the templates that it extends. `known`: those of templates, each merged once. */
function merged(job: Value, around: { top: Value; known: Map<Value, Keys> }, depth: number): Keys {
  const before = around.known.get(job);
  if (before !== undefined) return before;
  const own = job.entries();
  const keys: Keys = new Map();
  for (const text of [
    ...new Set(
      own
        .get('extends')
        ?.items()
        .map((one) => one.text),
    ),
  ].slice(0, basesMax)) {
    const base = text === undefined ? undefined : around.top.entries().get(text);
    if (base === undefined || depth >= extendsMax)
      job.find(`extends ${text ?? ''}`, 'the template is not in this file');
    else for (const [key, value] of merged(base, around, depth + 1)) keys.set(key, value);
  }
  for (const [key, value] of own) keys.set(key, value);
  around.known.set(job, keys);
  return keys;
}

const needed = (keys: Keys): string[] =>
  (keys.get('needs') ?? keys.get('dependencies'))
    ?.items()
    .flatMap((need) => need.text ?? need.get('job').text ?? []) ?? [];

/** The jobs of the nearest stage before that has any. */
function before(made: readonly { stage: number; id: string }[], stage: number): string[] {
  const earlier = made.filter((one) => one.stage >= 0 && one.stage < stage).map((one) => one.stage);
  const nearest = Math.max(...earlier, -1);
  return nearest === -1 ? [] : made.filter((one) => one.stage === nearest).map(({ id }) => id);
}

function read(job: DraftJob, keys: Keys, top: Value, id: string, around: Surrounding): void {
  for (const [key, says] of Object.entries(leftOut)) {
    const value = keys.get(key) ?? (key === 'image' ? topDefault(top, 'image') : undefined);
    if (value?.isThere) job.todo.push(value.find(`${id}: ${key} ${value.text ?? ''}`.trim(), says));
  }
  const todo: Finding[] = [];
  conditions(job, keys, id);
  parallel(job, keys.get('parallel'));
  for (const env of [top.get('variables'), keys.get('variables')])
    if (env !== undefined)
      addEnv(job, env, (text, at) => {
        job.todo.push(...unfilled(text, at));
        return text.replaceAll('${{', '$${{');
      });
  const timeout = /^(\d+) ?(m|minutes?|h|hours?)$/.exec(keys.get('timeout')?.text ?? '');
  if (timeout !== null) {
    const minutes = Number(timeout[1]) * (timeout[2]?.startsWith('h') ? 60 : 1);
    if (minutes > 0 && minutes <= 360) job.minutes = minutes;
  }
  const allowed = keys.get('allow_failure');
  if (allowed !== undefined && allowed.text !== 'false')
    todo.push(allowed.find(`${id}: allow_failure`, 'here the step may fail, and the job then passes'));
  const script = keys.get('script');
  const first = keys.get('before_script') ?? topDefault(top, 'before_script');
  const lines = [first, script].flatMap((value) => value?.items() ?? []);
  const commands = lines.flatMap((line) => line.text ?? []);
  if (lines.some((line) => line.text === undefined))
    todo.push((script ?? top).find(`${id}: script`, 'only texts are commands (!reference is not followed)'));
  const run = commands.join('\n').replaceAll('${{', '$${{');
  for (const line of lines) todo.push(...lookAt(line.text ?? '', line, job, around, variables));
  if (script !== undefined)
    addStep(job, script, {
      run,
      todo,
      ...(allowed !== undefined && allowed.text !== 'false' && { allowFailure: true }),
    });
  const artifacts = keys.get('artifacts');
  if (artifacts !== undefined) keepArtifacts(job, artifacts, id);
  unusedAxes(job, keys, top);
}

function keepArtifacts(job: DraftJob, artifacts: Value, id: string): void {
  const says = 'what a job leaves in $OUT is kept; of a test these are its reports';
  for (const key of ['reports', 'exclude', 'untracked', 'when'])
    job.todo.push(...artifacts.findKey(key, says, `${id}: artifacts ${key}`));
  const kept = keepStep('Keep the artifacts', artifacts.get('paths').items(), job);
  if (kept !== undefined) addStep(job, artifacts, kept);
}

const topDefault = (top: Value, key: string): Value | undefined => {
  const value = top.get('default').get(key).isThere ? top.get('default').get(key) : top.get(key);
  return value.isThere ? value : undefined;
};

function parallel(job: DraftJob, value: Value | undefined): void {
  if (value === undefined) return;
  const matrix = value.get('matrix').items();
  if (matrix.length !== 1)
    job.todo.push(value.find('parallel', 'a matrix has one list of values for each key'));
  else for (const [key, values] of matrix[0]?.entries() ?? []) addAxis(job, key, values);
}

/** Those that only the image or the runner has; the others are variables of all that runs. */
function unusedAxes(job: DraftJob, keys: Keys, top: Value): void {
  const texts = (value: Value | undefined): string[] =>
    value?.items().flatMap((item) => item.text ?? item.get('name').text ?? []) ?? [];
  const image = keys.get('image') ?? topDefault(top, 'image');
  const systems = [image, keys.get('services'), keys.get('tags')].flatMap(texts);
  const commands = [...Object.values(job.env), ...job.steps.map(({ run }) => run)];
  const names = (all: readonly string[], key: string) =>
    all.some((text) => new RegExp(`\\$\\{?${key}\\b`).test(text));
  const matrix = keys.get('parallel')?.get('matrix').items()[0];
  leaveOutAxes(job, matrix, (key) => names(commands, key) || !names(systems, key));
  for (const key of Object.keys(job.matrix)) job.env[key] = `\${{ matrix.${key} }}`;
}

/** `only: [main]` and rules that compare a branch hold or skip a job here too, where all that is said of it is of that kind. */
function conditions(job: DraftJob, keys: Keys, id: string): void {
  const refs: string[] = [];
  const others: [what: string, at: Value][] = [];
  const only = keys.get('only');
  for (const ref of (only?.isMap ? only.get('refs') : only)?.items() ?? []) {
    const { text } = ref;
    if (text !== undefined && /^[\w.-][\w./-]*$/.test(text) && !triggerWords.has(text)) refs.push(text);
    else others.push([`only ${text ?? ''}`, ref]);
  }
  for (const rule of keys.get('rules')?.items() ?? []) {
    const { text } = rule.get('if');
    const [, branch] = /^\$CI_COMMIT_(?:BRANCH|REF_NAME) == "([\w.-][\w./-]*)"$/.exec(text ?? '') ?? [];
    if (branch !== undefined && !rule.get('when').isThere && !rule.get('changes').isThere) refs.push(branch);
    else others.push([`rules ${text ?? ''}`, rule]);
  }
  for (const key of ['except', 'when']) {
    const value = keys.get(key);
    if (value?.isThere) others.push([key, value]);
  }
  if (others.length === 0) job.refs = [...new Set(refs)].slice(0, jobFileLimits.globsMax);
  for (const [what, at] of others) job.todo.push(at.find(`${id}: ${what}`, reasons.condition));
}

const triggerWords = new Set([
  ...['branches', 'tags', 'merge_requests', 'pushes', 'schedules', 'web', 'api', 'triggers', 'pipelines'],
  ...['external', 'chat', 'external_pull_requests'],
]);
