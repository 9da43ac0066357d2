import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../examples/demo/free-port.ts';
import { jobFile } from './support/jobs.ts';
import { LocalCluster } from './support/local-cluster.ts';
import { until } from './support/wait.ts';

let cluster: LocalCluster;
let http = '';

beforeAll(async () => {
  http = `127.0.0.1:${await freePort()}`;
  // The charter names the bootstrap node's address, so that the store may be at it.
  cluster = await LocalCluster.start({ bootstrap: true, slotWait: '2s', controllerArgs: ['--http', http] });
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
