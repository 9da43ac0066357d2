import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import { freePort, until } from './support/wait.ts';

let cluster: LocalCluster;
let http = '';

beforeAll(async () => {
  http = `127.0.0.1:${await freePort()}`;
  // The charter names the bootstrap node's address, so that the store may be at it.
  cluster = await LocalCluster.start({
    ...{ bootstrap: true, slotWait: '2s', controllerArgs: ['--http', http] },
  });
  const privateHosts = [`127.0.0.1:${cluster.git.port}`, http];
  const ada = await cluster.work('ada', await cluster.ticket('ada'), { rules: { hours: [], privateHosts } });
  await ada.event('connected');
});

const connect = (host: string): string =>
  `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "CONNECT ${host} HTTP/1.1\\r\\n\\r\\n" >&3; head -n 1 <&3'`;

async function logOf(name: string, run: string[], network: string): Promise<string> {
  const text = jobFile({ run, outputs: ['.'] }).replace('    image: host\n', `    image: host\n${network}`);
  const submitted = await cluster.submit(await cluster.git.commit(name, { 'quorate.yaml': text }));
  await submitted.event('delivered');
  return until('the log', async () => {
    const { lines } = await cluster.cli(['logs', submitted.run]);
    const all = lines.map((line) => String(line.text ?? '')).join('');
    return all.includes('network') || all.includes('done') ? all : undefined;
  });
}

describe('a job with a network', () => {
  it('reaches the charter’s server and the project’s store, nothing else, and its log says so', async () => {
    const log = await logOf(
      'networked',
      [
        connect(`127.0.0.1:${cluster.git.port}`),
        `bash -c 'exec 3<>/dev/tcp/127.0.0.1/3128; printf "GET http://${http}/v1/${cluster.project}/charter HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n" >&3; cat <&3'`,
        connect(`127.0.0.1:${cluster.port}`),
        connect('evil.example:443'),
      ],
      '    network: [vcs, store]\n',
    );
    expect(log).toContain('HTTP/1.1 200 Connection established');
    expect(log).toContain('"charter":');
    expect(log).toContain(`quorate: network: store, vcs: 127.0.0.1:${cluster.git.port}, ${http}`);
    expect(log).toContain(
      'quorate: network: EGRESS_NOT_ALLOWED: a connection to evil.example:443 was refused',
    );
    expect(log).toContain(`a connection to 127.0.0.1:${cluster.port} was refused`);
    expect(log).toMatch(/quorate: network: 4 connections, 2 refused; \d+ bytes in, \d+ out/);
  });

  it('has none without it', async () => {
    const log = await logOf('alone', [`${connect('a:1')} || echo none`, 'echo done'], '');
    expect(log).toContain('none');
    expect(log).not.toContain('network');
  });
});

describe('quorate try with --input', () => {
  it('brings an artifact nobody trusts into the sandbox, says what it is worth, and leaves nothing of it', async () => {
    const made = jobFile({ run: ['echo from the mesh > "$OUT/x"'] });
    const run = await cluster.submit(await cluster.git.commit('made', { 'quorate.yaml': made }));
    const { code } = await run.end();
    expect(code, run.report()).toBe(1);
    // One honest operator alone never amounts to agreement.
    expect(run.all('delivered')).toMatchObject([{ operator: 'ada' }]);
    expect(run.all('unfilled')).toMatchObject([{ slots: 2 }]);
    expect(run.lines.at(-1)).toMatchObject({ event: 'verdict', level: 'disputed', reason: 'too-few' });
    const [revealed] = run.all('revealed') as { results?: { result: string }[] }[];
    const artifact = String(revealed?.results?.[0]?.result);
    expect(artifact).toMatch(/^bafy/);
    expect((await cluster.fetch(artifact, 'alone')).code).not.toBe(0);

    const text = jobFile({ run: ['cp /build/in/lib/x "$OUT/y"; cat "$OUT/y"'] });
    await writeFile(join(cluster.projectDir, 'quorate.yaml'), text);
    vi.stubEnv('TMPDIR', join(cluster.dir, 'tmp'));
    onTestFinished(() => void vi.unstubAllEnvs());
    const tried = await cluster.cli(['try', '--input', `lib=${artifact}`]);
    expect(tried.code, tried.report).toBe(0);
    const input = tried.lines.find(({ event }) => event === 'input');
    expect(input).toMatchObject({ name: 'lib', cid: artifact, from: 'mesh' });
    expect(['none', 'provisional']).toContain(input?.level);
    expect(tried.lines).toContainEqual({ event: 'output', line: 'from the mesh' });
    expect((await readdir(join(cluster.dir, 'tmp'))).filter((name) => name.includes('try'))).toEqual([]);

    const unknown = `bafybei${'a'.repeat(52)}`;
    const missing = await cluster.cli(['try', '--input', `lib=${unknown}`]);
    expect(missing.code, missing.report).toBe(3);
    expect(missing.error).toMatch(/^(ARTIFACT_NOT_FOUND|TRANSFER_FAILED)$/);
  });

  it('takes one from a store of this machine that nobody uses', async () => {
    const made = await cluster.submit(
      await cluster.git.commit('kept', { 'quorate.yaml': jobFile({ run: ['echo kept > "$OUT/x"'] }) }),
    );
    await made.end();
    const [revealed] = made.all('revealed') as { results?: { result: string }[] }[];
    const artifact = String(revealed?.results?.[0]?.result);
    await cluster.worker('ada').stop();
    const answer = await cluster.cli(['try', cluster.projectDir, '--input', `lib=${artifact}`], {
      home: 'ada',
      cwd: cluster.dir,
    });
    expect(answer.lines.find(({ event }) => event === 'input')).toMatchObject({
      from: 'store',
      level: 'none',
    });
  });
});
