/** Files of other systems, made into the nearest `quorate.yaml`. */
import { QuorateError } from '../../protocol/base/errors.ts';
import { parseJobFile } from '../parse.ts';
import { type DraftJob, writeDraft } from './draft.ts';
import { fromGithub } from './github.ts';
import { fromGitlab } from './gitlab.ts';
import { type Finding, ForeignFile } from './reading.ts';
import type { Surrounding } from './shared.ts';
import { fromWoodpecker } from './woodpecker.ts';

type ForeignKind = 'github' | 'woodpecker' | 'gitlab';

const readers: Record<ForeignKind, (file: ForeignFile, around: Surrounding) => DraftJob[]> = {
  github: fromGithub,
  woodpecker: fromWoodpecker,
  gitlab: fromGitlab,
};

/** More are not told, nor written. */
const findingsMax = 300;

/**
 * Makes a job file of that of another system. The result is read by `parseJobFile`; `findings` are what it does not say, by line.
 * @throws {QuorateError} `JOBFILE_INVALID`, JOBFILE_FOREIGN_UNKNOWN
 */
export function fromForeign(
  text: string,
  path: string,
  around: Surrounding,
): { kind: ForeignKind; text: string; findings: Finding[]; jobs: number } {
  const file = new ForeignFile(text, path);
  const kind = kindOf(file);
  const jobs = readers[kind](file, around);
  const told = file.findings.toSorted((a, b) => a.line - b.line);
  const findings = told.slice(0, findingsMax);
  const kept = new Set(findings);
  const ofJobs = new Set(jobs.flatMap((job) => [...job.todo, ...job.steps.flatMap(({ todo }) => todo)]));
  for (const job of jobs) {
    job.todo = [...new Set(job.todo)].filter((one) => kept.has(one));
    for (const step of job.steps) step.todo = [...new Set(step.todo)].filter((one) => kept.has(one));
  }
  const made = writeDraft(
    path,
    jobs,
    findings.filter((one) => !ofJobs.has(one)),
  );
  try {
    parseJobFile(made, 'quorate.yaml');
  } catch (cause) {
    if (!(cause instanceof QuorateError)) throw cause;
    throw new QuorateError(cause.code, `what comes of ${path} is no job file: ${cause.message}`, {
      hint: 'Nothing was written. Start from the example, quorate init, and take the commands over by hand.',
      cause,
    });
  }
  return { kind, text: made, findings, jobs: jobs.length };
}

/** By the keys that each of them has, where its name does not say it. */
function kindOf({ path, top }: ForeignFile): ForeignKind {
  if (/(?:^|\/)\.(?:github|forgejo|gitea)\/workflows\//.test(path)) return 'github';
  if (/(?:^|\/)\.gitlab-ci\.ya?ml$/.test(path)) return 'gitlab';
  if (/(?:^|\/)\.woodpecker(?:\.ya?ml$|\/)/.test(path)) return 'woodpecker';
  const values = [...top.entries()].filter(([, value]) => value.isMap);
  if (top.get('jobs').isMap) return 'github';
  if (top.get('steps').isThere || top.get('pipeline').isThere) return 'woodpecker';
  if (values.some(([, value]) => value.get('script').isThere)) return 'gitlab';
  throw new QuorateError(
    'JOBFILE_FOREIGN_UNKNOWN',
    `${path} is no workflow of GitHub, Forgejo or Gitea, of Woodpecker, or of GitLab`,
    { hint: 'These have jobs, steps, or jobs with a script. Start from the example: quorate init' },
  );
}
