import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { PlannedCommit, Repository } from '../../member/plan.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { cosigning } from '../../protocol/documents/cosign.ts';
import { cosignersOf } from '../../protocol/judge/policy.ts';
import { skipText } from '../../protocol/pipeline/plan.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { fileGiven } from './recipe-of.ts';

interface Options {
  ref?: string;
  base?: string;
  file?: string;
  workingTree?: boolean;
}

/** Jobs that a warning names. */
const readersShownMax = 5;

export const plan: Define = (program, act) =>
  defineCommand(program, 'plan', {
    summary: 'show what a run would build',
    description:
      'Prints the jobs that quorate.yaml of a commit comes to: what each needs, each combination of a matrix, and what its conditions skip. Nothing is published. In a folder it reads what is committed there, and fetches nothing; quorate try takes the files as they are.',
    examples: ['quorate plan', 'quorate plan --working-tree', 'quorate plan --ref v1.2 --base v1.1'],
  })
    .argument('[repo]', 'a folder or a git URL (default: the repository here)')
    .option('--ref <ref>', 'branch, tag or commit (default: the branch that is checked out)')
    .option('--working-tree', 'the files as they are here instead, as quorate try takes them')
    .option(
      '--base <ref>',
      'branch, tag or commit that "changed" compares with (default: all counts as changed)',
    )
    .option('--file <file>', 'a job file in place of quorate.yaml: a path, or REPO[@COMMIT]:PATH')
    .action(act(run));

async function run(context: Context, given: string | undefined, options: Options): Promise<Exit> {
  const { cwd, out, signal } = context;
  const folder = resolve(cwd, given ?? '.');
  if (given !== undefined && !existsSync(folder) && !given.includes(':'))
    throw new QuorateError('CLI_USAGE', `${folder} is not a folder`, {
      hint: 'Name a folder in a git repository, or give a URL such as https://host/project.git.',
    });
  const repository: Repository = given !== undefined && !existsSync(folder) ? { url: given } : { folder };
  const { workingTree: working = false } = options;
  if (working && ('url' in repository || options.ref !== undefined))
    throw new QuorateError(
      'CLI_USAGE',
      '--working-tree reads the files here, and no other ref or repository',
      { hint: 'Leave one of them out.' },
    );
  if ('folder' in repository && options.ref === undefined && !working) {
    const { localRepo } = await import('../../source/index.ts');
    const { changes } = await localRepo(folder, { signal });
    if (changes !== '')
      out.note(
        out.colours.yellow(
          `Not committed: ${changes}; they are not read. To read them: quorate plan --working-tree`,
        ),
      );
  }
  const { planCommit } = await import('../../member/plan.ts');
  const { ref = 'HEAD', base } = options;
  const recipe = options.file === undefined ? undefined : fileGiven(cwd, options.file);
  const planned = await planCommit({ repository, ref, working, base, recipe, signal });
  out.value(asJson(planned));
  sayPlan(out, planned, working);
  return exits.done;
}

function asJson({ ref, commit, tree, base, file, plan: { instances, skipped } }: PlannedCommit): object {
  const jobs = instances.map(({ name, template, values, needs }) => {
    const { image, run, env, outputs, limits, network, trust } =
      file.jobs.find((job) => job.name === name) ?? template;
    return {
      name,
      job: template.name,
      matrix: values,
      image,
      run,
      env,
      outputs,
      limits,
      network,
      trust,
      needs: needs.map(({ instance, level }) => ({ name: instance, level })),
    };
  });
  return { ref, commit: commit || null, tree, base: base ?? null, jobs, skipped };
}

function sayPlan(
  out: Output,
  { ref, commit, base, plan: { instances, skipped } }: PlannedCommit,
  working: boolean,
): void {
  const { dim, yellow } = out.colours;
  const since = base === undefined ? '' : `, changed since ${base.slice(0, 12)}`;
  const what = working ? 'the files as they are' : `commit ${commit.slice(0, 12)}`;
  out.say(dim(`${what} of ${escapeLine(ref, 200)}${since}`));
  out.say(`${counted(instances.length, 'job')}${skipped.length === 0 ? '' : `, ${skipped.length} skipped`}`);
  const rows = instances.map(({ name, template: { trust }, needs }) => {
    const after = needs.map(({ instance, level }) => `${instance} (${level})`).join(', ');
    return [
      name,
      `agree ${trust.agree} of ${trust.of}${cosigning[trust.cosign].inPlan}`,
      after === '' ? '' : `after ${after}`,
    ];
  });
  out.table(rows, '  ');
  for (const line of sayAgreedAtMost(instances)) out.say(yellow(line));
  for (const { job, instances: names, reason } of skipped) {
    const what = names.length === 1 ? (names[0] ?? job) : `${job} (${counted(names.length, 'job')})`;
    out.say(yellow(`  skipped: ${what}: ${escapeLine(skipText(reason), 500)}`));
  }
}

type Instances = PlannedCommit['plan']['instances'];

/**
 * Names of jobs that are `agreed` at most if tests put out nothing whose commands do not name $OUT: to put out nothing is easy to agree on,
 * and counts with a co-signature only. Each comes after those it needs.
 */
function agreedAtMost(instances: Instances): Set<string> {
  const found = new Set<string>();
  for (const { name, template, needs } of instances) {
    const { kind, run, trust } = template;
    const isEmpty = kind === 'test' && cosignersOf(trust) === 0 && !JSON.stringify(run).includes('OUT');
    if (isEmpty || needs.some(({ instance }) => found.has(instance))) found.add(name);
  }
  return found;
}

/** Lines about jobs that others need. */
function sayAgreedAtMost(instances: Instances): string[] {
  const low = agreedAtMost(instances);
  return instances.flatMap(({ name, needs }) => {
    if (!low.has(name)) return [];
    const readers = (level: string) =>
      instances.flatMap((one) =>
        one.needs.some((need) => need.instance === name && need.level === level) ? [one.name] : [],
      );
    const ends = [
      [readers('agreed'), 'is no more'],
      [readers('trusted'), 'never begins'],
    ] as const;
    const said = ends.flatMap(([of, end]) => (of.length > 0 ? [`${namesOf(of)} ${end}`] : [])).join('; ');
    if (said === '') return [];
    if (needs.some(({ instance }) => low.has(instance)))
      return [`  ${name} is agreed at most then: ${said}.`];
    return [
      `  ${name} is agreed at most if it puts out nothing: ${said}. Have it write a report to $OUT, or give it trust: {cosign: required}`,
    ];
  });
}

function namesOf(names: readonly string[]): string {
  const more = names.length - readersShownMax;
  return `${names.slice(0, readersShownMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
