import { shellWord } from '../../protocol/base/shell-word.ts';
import type { DraftJob, DraftStep } from './draft.ts';
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
  stepName,
} from './shared.ts';

const variables = /\b(?:GITHUB|RUNNER)_[A-Z_]+\b/g;
/** A longer one stays as it is: each beginning of one is looked at no further. */
const expressionPattern = /\$\{\{([^}]{0,500})\}\}|\$\{\{/g;
const aboutSecret = /\$\{\{[^}]{0,500}\bsecrets\b/;
const runner = /^(?:ubuntu|windows|macos)-[\w.-]+$/;

/** A workflow of GitHub Actions, or of Forgejo or Gitea. */
export function fromGithub({ top }: ForeignFile, around: Surrounding): DraftJob[] {
  triggers(top.get('on'));
  top.findKey('permissions', reasons.deploy);
  top.findKey('concurrency', reasons.unknown);
  const jobs: DraftJob[] = [];
  const names = new Map<string, string>();
  for (const [id, job] of firstJobs(top.get('jobs').entries())) {
    const name = jobName(id, names.values());
    names.set(id, name);
    const uses = job.get('uses');
    if (uses.isThere)
      uses.find(`jobs.${id}: uses`, 'a workflow of others is not fetched: write its jobs here');
    jobs.push(new Workflow(job, newJob(name), around).read(top));
  }
  for (const job of jobs) job.needs = job.needs.flatMap((id) => names.get(id) ?? []);
  return finished(jobs, top.get('jobs'));
}

function triggers(on: Value): void {
  for (const [event, value] of on.isMap
    ? on.entries()
    : on.items().map((one) => [one.text ?? '', one] as const))
    value.find(
      `on ${event}`,
      event === 'schedule'
        ? reasons.schedule
        : event === 'workflow_dispatch'
          ? 'by hand: quorate run'
          : reasons.trigger,
    );
}

class Workflow {
  readonly #job: Value;
  readonly #draft: DraftJob;
  readonly #around: Surrounding;
  /** Keys of the matrix that named runners, with the value that stands for them. */
  readonly #fixed = new Map<string, string>();

  constructor(job: Value, draft: DraftJob, around: Surrounding) {
    this.#job = job;
    this.#draft = draft;
    this.#around = around;
  }

  read(top: Value): DraftJob {
    const [job, draft] = [this.#job, this.#draft];
    const todo = (key: string, says: string) => draft.todo.push(...job.findKey(key, says));
    const runsOn = job.get('runs-on');
    if (runsOn.isThere) draft.todo.push(runsOn.find(`runs-on ${runsOn.text ?? ''}`.trim(), reasons.image));
    todo('container', reasons.image);
    todo('services', reasons.service);
    todo('environment', reasons.deploy);
    todo('permissions', reasons.deploy);
    todo('concurrency', reasons.unknown);
    todo(
      'outputs',
      'jobs hand on files only: what is below $OUT is at /build/in/<job> of those that need it',
    );
    todo('continue-on-error', 'a job fails where a step does; allow_failure is set for single steps');
    draft.needs = job.get('needs').texts();
    this.#matrix(job.get('strategy'));
    this.#condition(job.get('if'));
    const minutes = Number(job.get('timeout-minutes').text ?? Number.NaN);
    if (Number.isInteger(minutes) && minutes > 0 && minutes <= 360) draft.minutes = minutes;
    for (const env of [top.get('env'), job.get('env')])
      addEnv(draft, env, (text, at) => this.#text(text, at, draft.todo, false));
    const own = job.get('defaults').get('run');
    const defaults = own.isThere ? own : top.get('defaults').get('run');
    if (defaults.get('shell').text === 'sh') draft.shell = 'sh';
    for (const step of job.get('steps').items()) this.#step(step, defaults.get('working-directory').text);
    this.#unusedAxes(job.get('strategy').get('matrix'));
    return draft;
  }

  #matrix(strategy: Value): void {
    const matrix = strategy.get('matrix');
    if (matrix.text !== undefined)
      this.#draft.todo.push(matrix.find('matrix', 'its values are written here, as lists'));
    for (const [key, values] of matrix.entries()) {
      const texts = values.texts();
      if (key === 'include' || key === 'exclude')
        this.#draft.todo.push(
          values.find(`matrix ${key}`, 'all combinations are built: make a job of its own for a special one'),
        );
      else if (texts.length > 0 && texts.every((text) => runner.test(text))) {
        const [first = ''] = texts;
        this.#fixed.set(key, texts.find((text) => text.startsWith('ubuntu')) ?? first);
        const others = texts.filter((text) => !text.startsWith('ubuntu'));
        if (others.length > 0)
          this.#draft.todo.push(values.find(`matrix ${key}: ${others.join(', ')}`, 'workers run Linux'));
      } else addAxis(this.#draft, key, values);
    }
  }

  /** Actions alone may have named the others. */
  #unusedAxes(matrix: Value): void {
    const { env, steps } = this.#draft;
    const text = JSON.stringify([env, steps.map(({ name, run }) => [name, run])]);
    // The text after each mention, in any form: `matrix.key`, `matrix['key']`.
    const named = text.split('matrix').map((after) => after.slice(0, 500).replace(/^\W+/, ''));
    leaveOutAxes(this.#draft, matrix, (key) => named.slice(1).some((one) => one.startsWith(key)));
  }

  #condition(condition: Value): void {
    const { text } = condition;
    if (text === undefined) return;
    const [, ref] =
      /^(?:\$\{\{)?\s*github\.(?:ref|ref_name)\s*==\s*'([\w./-]+)'\s*(?:\}\})?$/.exec(text) ?? [];
    if (ref !== undefined && !ref.startsWith('/')) this.#draft.refs = [ref];
    else this.#draft.todo.push(condition.find(`if ${text}`, reasons.condition));
  }

  #step(step: Value, folder: string | undefined): void {
    const uses = step.get('uses');
    if (uses.text !== undefined) return this.#action(uses, uses.text, step.get('with'), step);
    const run = step.get('run');
    const { text } = run;
    if (text === undefined) return;
    const draft = this.#draft;
    const todo: Finding[] = [];
    const lines: string[] = [];
    const shell = step.get('shell');
    if (shell.text !== undefined && !/^(?:ba)?sh\b/.test(shell.text))
      todo.push(shell.find(`shell ${shell.text}`, 'a step is for sh or bash: call the program in it'));
    const condition = step.get('if');
    if (condition.text !== undefined)
      todo.push(
        condition.find(`if ${condition.text}`, 'a step always runs: write the condition in its command'),
      );
    const own = step.get('working-directory').text ?? folder;
    if (own !== undefined)
      lines.push(`cd ${this.#text(shellWord(own), step.get('working-directory'), todo, true) ?? '.'}`);
    for (const [name, at] of step.get('env').entries()) {
      const value = this.#text(at.text ?? '', at, todo, false);
      if (value !== undefined && /^[A-Za-z_]\w*$/.test(name))
        lines.push(`export ${name}=${shellWord(value)}`);
    }
    const command = this.#text(text, run, todo, true) ?? '';
    todo.push(...lookAt(command, run, draft, this.#around, variables));
    const made: DraftStep = { ...stepName(this.#name(step)), run: [...lines, command].join('\n'), todo };
    if (step.get('continue-on-error').text === 'true') made.allowFailure = true;
    addStep(draft, run, made);
  }

  #name(step: Value): string | undefined {
    const { text } = step.get('name');
    return text === undefined ? undefined : this.#text(text, step.get('name'), [], true);
  }

  #action(at: Value, uses: string, using: Value, step: Value): void {
    const draft = this.#draft;
    const [name = ''] = uses.split('@');
    const short = name.replace(/^https?:\/\/[^/]+\//, '');
    if (short === 'actions/checkout') {
      for (const key of ['repository', 'submodules', 'lfs', 'fetch-depth', 'ref', 'token', 'ssh-key']) {
        const value = using.get(key);
        if (value.isThere && value.text !== 'false' && !(key === 'fetch-depth' && value.text === '1'))
          draft.todo.push(
            value.find(
              `checkout ${key}`,
              'a checkout is one commit of this repository, without history and submodules (git: true adds the commit itself)',
            ),
          );
      }
      return;
    }
    if (short === 'actions/upload-artifact') {
      const kept = keepStep(this.#name(step) ?? 'Keep the artifact', [using.get('path')], draft);
      if (kept !== undefined) addStep(draft, at, kept);
      return;
    }
    const says =
      short.startsWith('actions/setup-') || short.startsWith('actions-rs/') || short.startsWith('dtolnay/')
        ? `tools are part of the system: quorate image build --include <packages>, then image: <cid>`
        : short === 'actions/cache' || short.startsWith('actions/cache/')
          ? reasons.cache
          : short === 'actions/download-artifact'
            ? 'what a job in "needs" made is at /build/in/<job>'
            : 'an action is a program of others, and is not run: write its commands';
    draft.todo.push(at.find(`uses ${uses}`, says));
  }

  /** The text with its expressions as they can stand; undefined where it is about a secret. `inCommand`: where a value is known only to the shell. */
  #text(text: string, at: Value, todo: Finding[], inCommand: boolean): string | undefined {
    if (aboutSecret.test(text)) {
      todo.push(at.find('secrets', reasons.secret));
      if (!inCommand) return undefined;
    }
    return text.replace(expressionPattern, (whole, inner: string | undefined) => {
      const expression = inner?.trim();
      const [, key] = /^matrix\.([A-Za-z_]\w*)$/.exec(expression ?? '') ?? [];
      const fixed = this.#fixed.get(key ?? '');
      if (fixed !== undefined) return fixed;
      if (key !== undefined && Object.hasOwn(this.#draft.matrix, key)) return `\${{ matrix.${key} }}`;
      const [, variable] = /^env\.([A-Za-z_]\w*)$/.exec(expression ?? '') ?? [];
      if (variable !== undefined && inCommand) return `$${variable}`;
      if (expression === 'github.sha' && inCommand) return '$QUORATE_COMMIT';
      if (!/\bsecrets\b/.test(whole)) todo.push(at.find(whole, reasons.expression));
      return `$${whole}`;
    });
  }
}
