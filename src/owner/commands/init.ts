import { constants, existsSync } from 'node:fs';
import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Tool } from '../../jobfile/index.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { allowsHost } from '../../protocol/base/host-entry.ts';
import { jobFileNames } from '../../protocol/base/job-file-names.ts';
import { shellWord } from '../../protocol/base/shell-word.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { counted } from '../../terminal/format.ts';
import { addresses, gitServers, nameOf, peerId } from '../../terminal/values.ts';
import { checkNotCommitted, ignoreProjectFolder, repositoryAt } from '../own-folder.ts';
import { findProject } from '../project.ts';
import type { FloorChange } from '../project-folder.ts';
import { floorValue, lostBy, sayFloors } from './floor.ts';

interface Options {
  name?: string;
  vcs?: string[];
  bootstrap?: string[];
  idp?: string;
  floor?: FloorChange;
  testFloor?: FloorChange;
  from?: string;
}

export const init: Define = (program, act) =>
  defineCommand(program, 'init', {
    summary: 'make a project of this repository',
    description:
      'Makes a project of the git repository around: its root key and charter in .quorate/ (kept out of git), and a job file, quorate.yaml, to start from.',
    examples: [
      'quorate init',
      'quorate init --from .github/workflows/test.yml',
      'quorate init --name my-tool --vcs git.example.org',
    ],
  })
    .option('--name <name>', "the project's name (default: that of the folder)", nameOf)
    .option(
      '--vcs <host>',
      'server a job may fetch source from, as host or host:port (default: that of the remote); repeatable',
      gitServers,
    )
    .option(
      '--bootstrap <address>',
      'first peer of the network for machines behind NAT; repeatable',
      addresses,
    )
    .option(
      '--idp <PeerId>',
      'key of an identity provider that runs apart, as "quorate idp init" prints it there',
      peerId,
    )
    .option(
      '--floor <policy>',
      'least policy of a job, N/M[+cosign][+rounds=R]: N of M operators agree, with the co-signature, in R rounds at most (default: 2/3+cosign+rounds=8)',
      floorValue,
    )
    .option('--test-floor <policy>', 'the same for jobs of kind: test (default: 2/3+rounds=8)', floorValue)
    .option(
      '--from <file>',
      'make the job file of that of GitHub, Forgejo, Gitea, Woodpecker or GitLab, and list what has no counterpart; also where there is a project already',
    )
    .action(act(run));

/** Programs that are named as missing. */
const missingMax = 8;

/** Of the charter of a project that is made of a repository. */
export async function firstCharter(repo: string, options: Options) {
  const { defaultFloor, defaultTestFloor } = await import('../project-folder.ts');
  return {
    name: options.name ?? nameFrom(basename(repo)),
    vcs: options.vcs ?? (await hostOfRemote(repo)),
    bootstrap: options.bootstrap ?? [],
    idp: options.idp,
    floor: { ...defaultFloor, ...options.floor },
    testFloor: { ...defaultTestFloor, ...options.testFloor },
  };
}

/** Its files that are committed. @throws {QuorateError} `PROJECT_FOREIGN` */
export const prepareRepository = async (repo: string) => ({
  ignored: await ignoreProjectFolder(repo, repo),
  jobFile: await writeJobFile(repo),
});

async function run(context: Context, options: Options): Promise<Exit> {
  const { cwd, out } = context;
  const from = options.from === undefined ? undefined : await foreign(cwd, options.from);
  const told = from && { from: { kind: from.kind, jobs: from.jobs, findings: from.findings } };
  if (from !== undefined && (await findProject(cwd)) !== undefined) {
    await writeJobFile(repositoryAt(cwd), from.text);
    out.value({ jobFile: 'made', ...told });
    out.say(...sayForeign(from), ...(await sayMissingTools(from.text)).map(out.colours.yellow));
    return exits.done;
  }
  const { defaultFloor, defaultTestFloor, initProject } = await import('../project-folder.ts');
  const repo = repositoryAt(cwd);
  await checkNotCommitted(join(repo, '.quorate'));
  const ignored = await ignoreProjectFolder(repo, repo);
  const folder = await initProject(repo, await firstCharter(repo, options));
  const jobFile = await writeJobFile(repo, from?.text);
  const { charter } = folder;
  const unguessed = await unguessedIn(repo);
  const lost = lostBy(charter, { floor: defaultFloor, testFloor: defaultTestFloor });
  const { project, name, vcs, floor, testFloor } = charter;
  out.value({ project, name, folder: folder.dir, vcs, floor, testFloor, lost, jobFile, ignored, ...told });
  const { bold, dim } = out.colours;
  out.say(
    `Project ${bold(name)}`,
    `  ${project}`,
    dim('  This id is its root key: all that users of your artifacts need to know.'),
    '',
    'Made:',
    '  .quorate/root.key    says who runs the project; keep a copy offline',
    '  .quorate/charter.jws signed by it: keys, allowed servers, least policy',
    `  quorate.yaml         ${from !== undefined ? `made of ${escapeLine(from.path, 200)}` : jobFile === 'kept' ? 'was there, left as it is' : unguessed === undefined ? 'an example job; make it yours' : 'a job whose commands are not known yet'}`,
    ...(ignored === 'added' ? ['  .gitignore           .quorate/ added, as it holds keys'] : []),
    dim(
      '  Git puts committed files in the place of ignored ones: look at branches of others in a working tree',
    ),
    dim('  of their own, git worktree add, or one that commits .quorate/ destroys these keys.'),
    ...((await stat(repo)).uid === process.getuid?.()
      ? []
      : [
          out.colours.yellow(
            "These files are yours, and the repository is another user's. As root, to hand them over: chown -R --reference=. .quorate quorate.yaml .gitignore",
          ),
        ]),
    `Source may come from ${vcs.length === 0 ? 'any server of the open internet (others, or fewer: --vcs)' : vcs.join(', ')}.`,
    ...(await portsMissed(repo, vcs)).map(out.colours.yellow),
    ...sayFloors(charter),
    ...[...lost.floor, ...lost.testFloor].map((says) =>
      out.colours.yellow(`Lost against the default. ${says}`),
    ),
    ...(from === undefined ? [] : ['', ...sayForeign(from)]),
    ...(await sayMissingTools(await jobFileText(repo))).map(out.colours.yellow),
    '',
    'Next:',
    ...(unguessed === undefined ? [] : [out.colours.yellow(`  ${sayUnguessed(unguessed)}`)]),
    ...(options.idp === undefined ? next : nextApart),
    '  git commit, git push      quorate.yaml too: workers fetch from the server',
    '  quorate run               builds what is pushed',
  );
  return exits.done;
}

const next = [
  '  quorate up                tries it out, alone on this machine. With others:',
  '  quorate controller        hands out work; keep it running',
  '  quorate key               on your trusted machine, then here:',
  '  quorate invite me --role trusted-worker --key <it>',
  '  quorate invite alice bob carol   a ticket for each volunteer (three or more)',
];

const nextApart = [
  '  charter.jws               to the host of the identity provider, and there:',
  '  quorate idp --charter charter.jws',
  '  quorate controller --idp <its address>   here; hands out work; keep it running',
  '  quorate key               on your trusted machine, then here:',
  '  quorate rotate trusted-worker --add <it>',
  '  quorate invite me --role trusted-worker --key <it>   where the identity provider runs',
  '  quorate invite owner --role publisher    there too; here: quorate join <ticket>',
  '  quorate invite alice      there; a ticket for each volunteer (three or more)',
];

/** A project name from a folder's name, with the characters that documents allow: letters, digits and `. _ -`. */
function nameFrom(folder: string): string {
  const name = folder
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64);
  return name === '' ? 'project' : name;
}

/** Warnings about servers without a port: they stand for their usual ports, and the remote may be at another. */
async function portsMissed(repo: string, vcs: readonly string[]): Promise<string[]> {
  const [remote] = await hostOfRemote(repo);
  if (remote !== undefined && vcs.length > 0 && !allowsHost(vcs, remote))
    return [
      `The remote of this repository is at ${remote}, which is not among them: its jobs are refused. To name it: quorate charter set ${[...vcs, remote].map((one) => `--vcs ${shellWord(one)}`).join(' ')}`,
    ];
  const open = vcs.filter((entry) => !/:\d+$/.test(entry) && entry !== remote);
  if (open.length === 0) return [];
  return [
    `Without a port ${open.join(', ')} stands for the usual ones only (https 443, http 80, git 9418). A server at another port is named with it: --vcs ${shellWord(`${open[0]}:3000`)}`,
  ];
}

/** The host of the repository's remote; empty, which allows any server, without one. */
async function hostOfRemote(repo: string): Promise<string[]> {
  const { localRepo, parseGitUrl } = await import('../../source/index.ts');
  try {
    const { remoteUrl } = await localRepo(repo);
    if (remoteUrl === undefined) return [];
    const { host, port, protocol } = parseGitUrl(remoteUrl);
    const standard = { git: 9418, http: 80, https: 443, ssh: 22 }[protocol];
    return [port === standard ? host : `${host}:${port}`];
  } catch (error) {
    const code = codeOf(error);
    if (code === 'SOURCE_NO_COMMIT' || code.startsWith('SOURCE_URL_') || code === 'SOURCE_PROTOCOL_REFUSED')
      return [];
    throw error;
  }
}

const hasJobFile = (repo: string): boolean => jobFileNames.some((name) => existsSync(join(repo, name)));

async function writeJobFile(repo: string, jobs?: string): Promise<'made' | 'kept'> {
  if (hasJobFile(repo)) return 'kept';
  const text = jobs ?? (await exampleOf(repo));
  await writeFile(join(repo, 'quorate.yaml'), text, { flag: 'wx' });
  return 'made';
}

/** Empty where it is missing. */
export async function jobFileText(repo: string): Promise<string> {
  const name = jobFileNames.find((one) => existsSync(join(repo, one)));
  return name === undefined ? '' : beginningOf(join(repo, name));
}

/** The words of the job file that stand for what could not be guessed. */
export async function unguessedIn(repo: string): Promise<string | undefined> {
  const { unguessedWords } = await import('../../jobfile/index.ts');
  return unguessedWords(await jobFileText(repo), await readdir(repo));
}

export const sayUnguessed = (words: string): string =>
  `First edit quorate.yaml: nothing here says what to build; put it in place of ${words}, and commit.`;

async function exampleOf(repo: string): Promise<string> {
  const { exampleFrom, exampleJobFile } = await import('../../jobfile/index.ts');
  const names = await readdir(repo);
  const from = exampleFrom(names);
  const textOf = (name: string | undefined) => name && beginningOf(join(repo, name));
  return exampleJobFile(names, await textOf(from), await textOf('.gitignore'));
}

/** As much as a guess needs. */
async function beginningOf(file: string): Promise<string> {
  const { jobFileLimits } = await import('../../jobfile/limits.ts');
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (handle === undefined) return '';
  try {
    if (!(await handle.stat()).isFile()) return '';
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(jobFileLimits.bytesMax) });
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Lines about programs that the jobs of this text run and this machine lacks, which builds on its own system; of a file with mistakes none. */
export async function sayMissingTools(text: string, has?: (name: string) => boolean): Promise<string[]> {
  const { parseJobFile, toolsOf } = await import('../../jobfile/index.ts');
  const { findTool } = await import('../../../sandbox/host.ts');
  const isHere = has ?? ((name: string) => findTool(name) !== undefined);
  let lacking: Tool[];
  try {
    lacking = toolsOf(parseJobFile(text, 'quorate.yaml').jobs).filter(({ name }) => !isHere(name));
  } catch {
    return [];
  }
  if (lacking.length === 0) return [];
  const all = (words: readonly string[]) => [...new Set(words)].slice(0, missingMax);
  const more = lacking.length > missingMax ? ` and ${lacking.length - missingMax} more` : '';
  return [
    `Not on this machine, and a job builds on its worker's own system (image: host): ${all(lacking.map(({ name }) => name)).join(', ')}${more}. On Debian:`,
    `  apt-get install ${all(lacking.map(({ of }) => of)).join(' ')}`,
  ];
}

/** The job file that comes of a file of another system. @throws {QuorateError} `CLI_USAGE`, `SOURCE_NO_REPOSITORY`, `JOBFILE_…` */
async function foreign(cwd: string, path: string) {
  const repo = repositoryAt(cwd);
  if (hasJobFile(repo))
    throw new QuorateError('CLI_USAGE', `there is a quorate.yaml already, and --from writes one`, {
      hint: 'Move it away first.',
    });
  const { checkJobFileSize, fromForeign } = await import('../../jobfile/index.ts');
  const file = resolve(cwd, path);
  const about = await stat(file).catch(() => undefined);
  if (about?.isFile() !== true) throw new QuorateError('CLI_USAGE', `there is no file ${path}`);
  checkJobFileSize(about.size, path);
  const lockFiles = await readdir(repo);
  return { path, ...fromForeign(await readFile(file, 'utf8'), path, { lockFiles }) };
}

/** Lists the work that is left, a line for each place. */
function sayForeign({ path, jobs, findings }: Awaited<ReturnType<typeof foreign>>): string[] {
  const name = escapeLine(path, 200);
  if (findings.length === 0)
    return [`quorate.yaml has ${counted(jobs, 'job')}; all of ${name} has a counterpart.`];
  return [
    `quorate.yaml has ${counted(jobs, 'job')}. Without a counterpart, and marked OPEN there:`,
    ...findings.map(({ line, what, says }) => `${name}:${line}: ${what}: ${says}`),
    'Then, before you push: quorate plan, quorate try',
  ];
}
