import { shellWord } from '../../protocol/base/shell-word.ts';
import type { DraftJob, DraftStep } from './draft.ts';
import type { Finding, ForeignFile, Value } from './reading.ts';
import {
  addAxis,
  addEnv,
  addStep,
  finished,
  leaveOutAxes,
  lookAt,
  newJob,
  reasons,
  type Surrounding,
  stepName,
  unfilled,
} from './shared.ts';

const variables = /\bCI_[A-Z_]+\b/g;

/** A workflow of Woodpecker: its steps share a checkout, so they are one job. */
export function fromWoodpecker({ top }: ForeignFile, around: Surrounding): DraftJob[] {
  const job = newJob('build');
  job.shell = 'sh';
  const todo = (key: string, says: string) => job.todo.push(...top.findKey(key, says));
  todo('when', reasons.trigger);
  todo('branches', reasons.trigger);
  todo('services', reasons.service);
  todo(
    'depends_on',
    'jobs of one file need each other: write those of the other workflows here, and needs: […]',
  );
  todo('labels', reasons.unknown);
  todo('platform', reasons.image);
  todo('workspace', 'a job runs in the checkout');
  todo(
    'clone',
    'a checkout is one commit of this repository, without history (git: true adds the commit itself)',
  );
  for (const [key, values] of top.get('matrix').entries())
    if (key === 'include') job.todo.push(values.find('matrix include', 'all combinations are built'));
    else addAxis(job, key, values);
  const steps = top.get('steps').isThere ? top.get('steps') : top.get('pipeline');
  const named: [string, Value][] = steps.isList
    ? steps.items().map((step) => [step.get('name').text ?? '', step])
    : [...steps.entries()];
  for (const [name, step] of named) addOne(name, step, job, around);
  const commands = JSON.stringify(job.steps.map(({ name, run }) => [name, run]));
  leaveOutAxes(job, top.get('matrix'), (key) => commands.includes(`\${{ matrix.${key} }}`));
  return finished([job], top);
}

function addOne(name: string, step: Value, job: DraftJob, around: Surrounding): void {
  const todo: Finding[] = [];
  const note = (key: string, says: string) => todo.push(...step.findKey(key, says, `${name}: ${key}`));
  const image = step.get('image');
  if (image.isThere) todo.push(image.find(`image ${image.text ?? ''}`, reasons.image));
  note('when', reasons.condition);
  note('depends_on', 'steps run one after another');
  note('secrets', reasons.secret);
  note('volumes', 'a build has no files of its host');
  note('privileged', 'a build has no privileges');
  note('detach', reasons.service);
  note('settings', 'a plugin is a program of others, and is not run: write its commands');
  const own = newJob(job.name);
  addEnv(own, step.get('environment'), (text, at) => {
    const value = filled(text, at, job, todo);
    todo.push(...unfilled(value, at));
    return value;
  });
  const commands = step
    .get('commands')
    .items()
    .flatMap((at) => {
      const { text } = at;
      if (text === undefined) return [];
      todo.push(...lookAt(text, at, job, around, variables));
      return [filled(text, at, job, todo)];
    });
  todo.push(...own.todo);
  if (commands.length === 0) {
    job.todo.push(...todo);
    return;
  }
  const env = Object.entries(own.env).map(([key, value]) => `export ${key}=${shellWord(value)}`);
  const run = [...env, ...commands].join('\n');
  const made: DraftStep = { ...stepName(name), run, todo };
  if (step.get('failure').text === 'ignore') made.allowFailure = true;
  addStep(job, step, made);
}

/** The text with values of the matrix as this file names them. */
function filled(text: string, at: Value, job: DraftJob, todo: Finding[]): string {
  return text
    .replaceAll('${{', () => {
      todo.push(at.find('${{', reasons.expression));
      return '$${{';
    })
    .replace(/(?<!\$)\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g, (whole, braced?: string, plain?: string) => {
      const key = braced ?? plain ?? '';
      return Object.hasOwn(job.matrix, key) ? `\${{ matrix.${key} }}` : whole;
    });
}
