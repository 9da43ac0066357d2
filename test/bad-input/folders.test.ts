import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { git } from '../e2e/support/git.ts';
import { LocalCluster } from '../e2e/support/local-cluster.ts';
import { asAnother } from '../support/covered.ts';
import { project } from '../support/project.ts';
import { type Answer, codeIn, Person, type StartOptions } from './support/person.ts';
import { provider } from './support/provider.ts';

let person: Person;
let cluster: LocalCluster;

beforeAll(async () => {
  person = await Person.arrive();
  cluster = await LocalCluster.start();
});

/** Root may write anywhere: then the command runs as nobody, who has nothing but what all may read. */
const root = process.getuid?.() === 0;
const nobody = 65_534;
const unprivileged = root ? { within: asAnother(nobody) } : {};

/** Everything as that user would have made it, and nothing that it may write to. */
async function closed(...path: string[]): Promise<string> {
  const folder = person.at(...path);
  await mkdir(folder, { recursive: true });
  await chmod(person.dir, 0o755);
  if (root) execFileSync('chown', ['-R', `${nobody}:${nobody}`, folder]);
  execFileSync('chmod', ['-R', 'a-w', folder]);
  onTestFinished(() => void execFileSync('chmod', ['-R', 'u+w', folder]));
  return folder;
}

/** A code of ours, what is wrong with which path, and what to do; and nothing happened. */
function refused({ code, err, out, report }: Answer, wanted: string, path: string, exit = 3): void {
  expect(code, report).toBe(exit);
  expect(codeIn(err), report).toBe(wanted);
  expect(err).toContain(path);
  expect(err).toMatch(/\nhint: .{10,}\n$/);
  expect(err.split('\n').length, report).toBe(3);
  expect(out.replace(/^Looking.*\n/, '')).not.toMatch(/error|Working|Joined/);
}

const run = (args: string[], options: StartOptions = {}) =>
  person.run(args, { ...options, ...unprivileged, env: { NODE_COMPILE_CACHE: '', ...options.env } });

describe('a project that this user may not look into', () => {
  const commands = [['jobs'], ['run'], ['up', '--yes'], ['controller', 'status'], ['policy']];

  it.skipIf(!root)('is of another user: all commands say so', async () => {
    const repo = person.at('others-project');
    await cp(cluster.projectDir, repo, copied);
    await chmod(person.dir, 0o755);
    await chmod(join(repo, '.quorate'), 0o700);
    for (const args of commands)
      refused(await run(args, { cwd: repo }), 'SOURCE_OTHER_USER', join(repo, '.quorate'), 2);
    const named = await run(['jobs', '--project', 'other'], { cwd: repo });
    expect(codeIn(named.err), named.report).toBe('MEMBERSHIP_NOT_FOUND');
    // Trying and comparing need no project; git alone says whether it may read the repository.
    await chmod(person.tmp, 0o777);
    const HOME = person.at('trusting');
    await mkdir(HOME);
    await writeFile(join(HOME, '.gitconfig'), `[safe]\n\tdirectory = ${repo}\n`);
    const absent = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';
    const compared = await run(['diff', absent, 'quorate.yaml'], { cwd: repo });
    expect(codeIn(compared.err), compared.report).toBe('ARTIFACT_NOT_FOUND');
    await chmod(join(repo, 'quorate.yaml'), 0o600);
    const file = await run(['try'], { cwd: repo, env: { HOME } });
    refused(file, 'SOURCE_TREE_REFUSED', '"quorate.yaml" cannot be opened: permission denied', 2);
    expect(file.err).toContain('hint: Give it read permission: chmod u+r quorate.yaml\n');
  });

  it('is one’s own: all commands say how to mend it', async () => {
    await cp(cluster.projectDir, person.at('own-closed'), copied);
    const repo = await closed('own-closed');
    await chmod(join(repo, '.quorate'), 0);
    for (const args of commands)
      refused(await run(args, { cwd: repo }), 'HOME_UNREADABLE', join(repo, '.quorate'));
    await chmod(join(repo, '.quorate'), 0o700);
  });
});

describe('a folder that cannot be written', () => {
  it('of keys: key, join', async () => {
    const home = await closed('closed-home');
    refused(await run(['key'], { home }), 'KEY_FILE_UNWRITABLE', home);
    const ticket = await cluster.ticket('rae', '--role', 'reader');
    refused(await run(['join', ticket], { home }), 'KEY_FILE_UNWRITABLE', home);
    expect(await readdir(home)).toEqual([]);
  });

  it('of memberships: join with a key that is there', async () => {
    const home = person.at('key-only');
    expect((await person.inside(['key'], { home })).code).toBe(0);
    await closed('key-only');
    const ticket = await cluster.ticket('rob', '--role', 'reader');
    refused(await run(['join', ticket], { home }), 'HOME_UNWRITABLE', home);
    expect(await readdir(home)).toEqual(['node.key']);
  });

  it('of a repository: init', async () => {
    const repo = person.at('closed-repo');
    await mkdir(repo);
    await git(repo, 'init', '--quiet');
    await closed('closed-repo');
    refused(await run(['init'], { cwd: repo }), 'CLI_SYSTEM_ERROR', join(repo, '.gitignore'));
    expect(await readdir(repo)).toEqual(['.git']);
  });

  it('of a project: controller', async () => {
    await cp(cluster.projectDir, person.at('closed-project'), copied);
    const repo = await closed('closed-project');
    const args = ['controller', '--listen', '/ip4/127.0.0.1/tcp/0'];
    refused(await run(args, { cwd: repo }), 'JOURNAL_UNWRITABLE', join(repo, '.quorate'));
  });

  it('for temporary files, or for the artifact: fetch', async () => {
    const TMPDIR = await closed('closed-tmp');
    const { where, artifact } = await provider(person.at('closed-provider'), 1000);
    const fetch = ['fetch', artifact, ...where];
    refused(await run([...fetch, '-o', person.at('new')], { env: { TMPDIR } }), 'CLI_SYSTEM_ERROR', TMPDIR);

    const dest = join(await closed('closed-dest'), 'got');
    await chmod(person.tmp, 0o777);
    const answer = await run([...fetch, '-o', dest]);
    refused(answer, 'STORE_DEST_FAILED', dest);
    expect(await person.litter()).toEqual([]);
  });

  it('that is a file: key, fetch', async () => {
    const file = person.at('a-file');
    await writeFile(file, 'mine\n');
    refused(await person.inside(['key'], { home: join(file, 'home') }), 'KEY_FILE_UNWRITABLE', file);
    const where = ['--project', project, '--bootstrap', '/ip4/127.0.0.1/tcp/1'];
    const cid = 'bafybeihpiyu6gtyikvqta4x33vaj7jjgpfqhid7c3uu7dgckf6g67x4qxm';
    refused(await person.inside(['fetch', cid, '-o', file, ...where]), 'CLI_FOLDER_NOT_EMPTY', file, 2);
    expect(await readFile(file, 'utf8')).toBe('mine\n');
  });
});

/** All of a folder but the sockets of a process that uses it. */
const copied = { recursive: true, filter: (path: string) => !path.endsWith('.sock') };

/** A worker's folder, and the project's, as they are after some use. */
async function used(name: string): Promise<{ home: string; repo: string }> {
  const worker = await cluster.volunteer(name);
  await worker.stop();
  const home = person.at(`home ${name}`);
  const repo = person.at(`repo ${name}`);
  await cp(cluster.home(name), home, { recursive: true });
  await cp(cluster.projectDir, repo, copied);
  return { home, repo };
}

describe('a folder of a newer version', () => {
  const listen = ['--listen', '/ip4/127.0.0.1/tcp/0'];

  it('is refused by worker and controller, and left as it is', async () => {
    const { home, repo } = await used('ned');
    const journals = [
      ...(await readdir(home)).filter((file) => file.endsWith('.db')).map((file) => join(home, file)),
      join(repo, '.quorate', 'controller.db'),
    ];
    expect(journals.length).toBe(2);
    for (const file of journals) {
      const db = new DatabaseSync(file);
      db.exec("UPDATE about SET value = '999' WHERE key = 'version'; PRAGMA wal_checkpoint(TRUNCATE);");
      db.close();
    }
    const before = await Promise.all(journals.map((file) => readFile(file)));
    const [worker = '', controller = ''] = journals;
    refused(
      await person.inside(['join', '--yes', '--tier', 'namespace', ...listen], { home }),
      'HOME_NEWER',
      worker,
    );
    refused(await person.inside(['controller', ...listen], { cwd: repo }), 'HOME_NEWER', controller);
    expect(await Promise.all(journals.map((file) => readFile(file)))).toEqual(before);
  });

  it('is refused by the store too', async () => {
    const { home } = await used('nora');
    const stores = (await readdir(join(home, 'store'), { recursive: true })).filter((file) =>
      file.endsWith('.db'),
    );
    expect(stores.length).toBeGreaterThan(0);
    for (const file of stores) {
      const db = new DatabaseSync(join(home, 'store', file));
      db.exec('PRAGMA user_version = 999; PRAGMA wal_checkpoint(TRUNCATE);');
      db.close();
    }
    refused(
      await person.inside(['join', '--yes', '--tier', 'namespace', ...listen], { home }),
      'HOME_NEWER',
      join(home, 'store'),
    );
  });

  it('with a membership that is damaged is refused with the file', async () => {
    const { home } = await used('dee');
    const [file = ''] = await readdir(join(home, 'projects'));
    await writeFile(join(home, 'projects', file), '{"project":');
    refused(await person.inside(['jobs'], { home }), 'HOME_DAMAGED', file);
  });
});
