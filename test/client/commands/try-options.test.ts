import { chown, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { codeIn } from '../../bad-input/support/person.ts';
import { GitServer, git } from '../../e2e/support/git.ts';
import { jobFile } from '../../e2e/support/jobs.ts';
import { listen } from '../../source/support.ts';
import { isRoot } from '../../support/needs.ts';
import {
  arrive,
  attempt,
  commit,
  connectTo,
  event,
  lines,
  listing,
  person,
  repository,
  write,
} from './trying.ts';

beforeAll(arrive);

describe('quorate try of a job with a network', () => {
  const withNetwork = (run: string[], names: string) =>
    jobFile({ run }).replace('    image: host\n', `    image: host\n    network: ${names}\n`);

  it('needs a project, whose charter says what it may reach', async () => {
    const dir = await repository(withNetwork(listing.run, '[vcs]'));
    const answer = await attempt(dir);
    expect(answer.code, answer.report).toBe(3);
    expect(codeIn(answer.err)).toBe('TRY_NO_PROJECT');
    expect(answer.err).toContain('wants a network (vcs)');
  });

  it('reaches what the charter lists, and says in its log and its events what was refused', async () => {
    const port = await listen((socket) => socket.end('hello\n'));
    const run = [connectTo(`127.0.0.1:${port}`), connectTo('evil.example:443')];
    const dir = await repository(withNetwork(run, '[vcs]'));
    const made = await person.run(['init', '--name', 'x', '--vcs', `127.0.0.1:${port}`], {
      cwd: dir,
      ms: 240_000,
    });
    expect(made.code, made.report).toBe(0);
    const answer = await attempt(dir, '--json');
    expect(answer.code, answer.report).toBe(0);
    const said = lines(answer).flatMap(({ event: name, line }) => (name === 'output' ? [String(line)] : []));
    expect(said).toContain('HTTP/1.1 200 Connection established\r'.trim());
    expect(said).toContain(
      'quorate: network: EGRESS_NOT_ALLOWED: a connection to evil.example:443 was refused',
    );
    expect(event(answer, 'network')).toMatchObject({ connections: 2, refused: 1 });

    // A charter that came in a commit is of whoever made it.
    await git(dir, 'add', '-f', '.quorate/charter.jws');
    const refused = await attempt(dir);
    expect(codeIn(refused.err), refused.report).toBe('PROJECT_FOREIGN');
  });

  it('reaches no private address where source or job file are of another repository, unless worker.toml says so', async () => {
    const port = await listen((socket) => socket.end('hello\n'));
    const job = withNetwork([connectTo(`127.0.0.1:${port}`)], '[vcs]');
    const dir = await repository(job);
    const made = await person.run(['init', '--name', 'x', '--vcs', `127.0.0.1:${port}`], {
      cwd: dir,
      ms: 240_000,
    });
    expect(made.code, made.report).toBe(0);
    await commit(dir);
    const reached = async (from: string, ...args: string[]) => {
      const answer = await attempt(from, '--json', ...args);
      expect(answer.code, answer.report).toBe(0);
      const { refused } = event(answer, 'network') ?? {};
      expect.soft(typeof refused, args.join(' ')).toBe('number');
      if (refused !== 0) expect.soft(answer.out).toContain('EGRESS_ADDRESS_REFUSED');
      return refused === 0;
    };
    const linked = join(dir, 'linked');
    await git(dir, 'worktree', 'add', '-q', linked);
    for (const [from, ...args] of [[dir], [dir, '--file', join(linked, 'quorate.yaml')], [linked]] as const)
      expect.soft(await reached(from, ...args), [from, ...args].join(' ')).toBe(true);
    const inner = join(dir, 'inner');
    await write(inner, { 'quorate.yaml': job });
    await git(inner, 'init', '-q');
    await symlink(join(inner, 'quorate.yaml'), join(linked, 'link.yaml'));
    const elsewhere = person.at('elsewhere.yaml');
    await writeFile(elsewhere, job);
    const server = await GitServer.start(person.at('theirs'));
    const url = await server.commit('tool', { 'quorate.yaml': job });
    const foreign = [
      [inner],
      [dir, url],
      [dir, '--file', `${url}:quorate.yaml`],
      [dir, '--file', join(inner, 'quorate.yaml')],
      [dir, '--file', join(linked, 'link.yaml')],
      [dir, '--file', elsewhere],
    ] as const;
    for (const [from, ...args] of foreign)
      expect.soft(await reached(from, ...args), [from, ...args].join(' ')).toBe(false);
    if (isRoot) {
      await chown(inner, 65_534, 65_534);
      await chown(join(inner, '.git'), 65_534, 65_534);
      expect(await reached(dir, '--file', join(inner, 'quorate.yaml'))).toBe(false);
    }
    const file = join(person.at('home'), 'worker.toml');
    await writeFile(file, `[network]\nprivate = ["127.0.0.1:${port}"]\n`);
    onTestFinished(() => rm(file));
    expect(await reached(dir, url)).toBe(true);
  });
});

describe('npm, whose registry a build may not reach', () => {
  /** More packages than npm fetches at once: npm 10 and 11 then repeat a refused request without end. */
  const packages = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`a${n}`, '1.0.0']));
  const integrity = `sha512-${'A'.repeat(86)}==`;
  const locked = Object.keys(packages).map((name) => [
    `node_modules/${name}`,
    { version: '1.0.0', resolved: `https://registry.example/${name}/-/${name}-1.0.0.tgz`, integrity },
  ]);
  const root = { name: 'x', version: '1.0.0', dependencies: packages };
  const files = {
    'package.json': JSON.stringify(root),
    'package-lock.json': JSON.stringify({
      name: 'x',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: { '': root, ...Object.fromEntries(locked) },
    }),
  };
  const job = (network: string) =>
    jobFile({ run: ['npm ci --no-audit'], memory: '1GiB', time: '10m' }).replace(
      '    image: host\n',
      `    image: host\n${network}`,
    );

  it('is ended, not waited for until the time limit, and told which server it was and what to do', async () => {
    const dir = await repository(job('    network: [vcs]\n'), files);
    const made = await person.run(['init', '--name', 'x', '--vcs', 'git.example'], { cwd: dir, ms: 240_000 });
    expect(made.code, made.report).toBe(0);
    const answer = await attempt(dir, '--json');
    expect(answer.code, answer.report).toBe(1);
    // Whichever comes first: npm's own end at its first refusal, or ours.
    const told = lines(answer)
      .map((line) => JSON.stringify(line))
      .join('\n');
    expect(told).toContain('a connection to registry.example:443 was refused');
    expect(told).toContain('quorate charter set --vcs');
    expect(Number(event(answer, 'built')?.ms)).toBeLessThan(60_000);
  });

  it('fails without trying again where the job has no network, and says what to do', async () => {
    const answer = await attempt(await repository(job(''), files));
    expect(answer.code, answer.report).toBe(1);
    expect(answer.out).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect(answer.err).toContain('the job has no network');
    // With its usual tries npm waits for 70 s.
    const [, time, unit] = /^exit 1 after (\S+) (ms|s): the build failed$/m.exec(answer.out) ?? [];
    expect(Number(time) * (unit === 'ms' ? 0.001 : 1)).toBeLessThan(60);
  });
});

describe('quorate try --tier and --input', () => {
  it.each([
    [['--tier', 'namespac'], 'Did you mean namespace?'],
    [['--input', 'lib'], 'lib=bafybei'],
    [['--input', 'a/b=bafybeiaaaaaaaaaaaaaaaaaaaaaaaaa'], 'lib=bafybei'],
    [['--input', `x=bafybei${'a'.repeat(52)}`, '--input', `x=bafybei${'a'.repeat(52)}`], 'twice'],
  ])('%j is refused, with what to give', async (args, says) => {
    const answer = await attempt(await repository(listing), ...args);
    expect(answer.code, answer.report).toBe(2);
    expect(answer.err).toContain(says);
  });

  it('builds in the tier that is named', async () => {
    const answer = await attempt(await repository(listing, { 'a.txt': 'a' }), '--tier', 'namespace');
    expect(answer.code, answer.report).toBe(0);
  });

  it('says where it looked for an artifact that is not here', async () => {
    const answer = await attempt(await repository(listing), '--input', `lib=bafybei${'a'.repeat(52)}`);
    expect(answer.code, answer.report).toBe(3);
    expect(codeIn(answer.err)).toBe('ARTIFACT_NOT_FOUND');
  });
});
