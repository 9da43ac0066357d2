import { describe, expect, it } from 'vitest';
import { allowsHost, isHostEntry } from '../../../src/protocol/base/host-entry.ts';
import { hostsNamed, hostsOfJob, hostsWanted } from '../../../src/protocol/judge/hosts.ts';
import { makeJob } from '../../support/documents.ts';
import { started } from '../../worker/machine/bench.ts';

describe('a list of hosts', () => {
  const list = ['git.example', 'ci.example:8080', '[fd00::1]', '10.0.0.5:3000'];

  it.each([
    ['git.example', true],
    ['GIT.example:443', true],
    ['git.example:80', true],
    ['git.example:9418', true],
    ['git.example:22', false],
    ['git.example.', true],
    ['git.example.:443', true],
    ['git..example', false],
    ['ci.example:8080', true],
    ['ci.example', false],
    ['ci.example:443', false],
    ['[fd00::1]:443', true],
    ['10.0.0.5:3000', true],
    ['10.0.0.5', false],
    ['git.example.evil.example', false],
    ['evil-git.example', false],
    ['git.example@evil.example', false],
    ['', false],
    ['git.example:443:443', false],
  ])('%s: %s', (entry, allowed) => {
    expect(allowsHost(list, entry)).toBe(allowed);
    expect(allowsHost('any', entry)).toBe(true);
    expect(allowsHost([], entry)).toBe(false);
  });

  it.each([
    ['git.example', true],
    ['localhost:1', true],
    ['[::1]:65535', true],
    ['git.example.', true],
    ['a_b.x-y.z:1', true],
    ['any', false],
    ['Any:443', false],
    ['a..b', false],
    ['a..', false],
    ['.a', false],
    ['a.-b', false],
    ['a:0', false],
    ['a:65536', false],
    ['https://a', false],
    ['a/b', false],
    ['-a', false],
    ['a b', false],
    [`${'a'.repeat(129)}`, false],
  ])('may have %s: %s', (entry, is) => {
    expect(isHostEntry(entry)).toBe(is);
  });
});

describe('the hosts that a project names', () => {
  const charter = {
    vcs: ['Git.example', '10.0.0.5:3000'],
    bootstrap: [
      '/dns4/boot.example/tcp/4001/p2p/x',
      '/ip6/fd00::9/tcp/4710/p2p/x',
      '/ip4/10.0.0.9/udp/1/quic-v1/p2p/x',
      '/dnsaddr/all.example/p2p/x',
    ],
  };
  const feed = ['http://10.0.0.9:8080', 'https://ci.example'];

  it('are those of its sources, of its bootstrap nodes, and of its controller by HTTP', () => {
    expect(hostsNamed(charter, feed)).toEqual([
      ...['git.example', '10.0.0.5:3000', 'boot.example:4001', '[fd00::9]:4710', '10.0.0.9:1', 'all.example'],
      ...['10.0.0.9:8080', 'ci.example:443'],
    ]);
  });

  it.each([
    ['git://git.example/a', 'git.example:9418'],
    ['https://GIT.example/a', 'git.example:443'],
    ['http://[fd00::1]:3000/a', '[fd00::1]:3000'],
    ['ssh://git@git.example/a', 'git.example:22'],
    ['git@git.example:a', 'git@git.example:a'],
  ])('for a job: the server of its source %s', (url, host) => {
    const job = makeJob({});
    expect(hostsOfJob({ ...job, source: { ...job.source, url } }, charter, feed)).toEqual([host]);
  });

  it('for a job with a network: those that it may reach as well', () => {
    const job = makeJob({ network: ['store', 'vcs'] });
    const [source = ''] = hostsOfJob({ source: job.source }, charter);
    expect(hostsOfJob(job, charter, feed)).toEqual([
      ...[source, 'git.example', '10.0.0.5:3000', '10.0.0.9:8080', 'ci.example:443'],
    ]);
  });
});

describe('a worker', () => {
  const other = 'git.example:443';

  it('passes on a job of a host that its operator has not allowed, and claims it once that is allowed', async () => {
    const bench = await started();
    const lending = { ...bench.lending, hosts: ['other.example'] };
    bench.send({ kind: 'lending', lending });
    const offered = await bench.makeOffer();
    const pass = `does not connect to ${other}: its operator has not allowed that host`;
    const event = { kind: 'offer' as const, ...offered, entropy: 'e', hosts: ['other.example:443', other] };
    expect(bench.send(event)).toMatchObject([{ kind: 'claim', claim: { pass } }]);
    expect(bench.worker.hostsWanted()).toEqual([other]);
    expect(bench.worker.refused([other, 'other.example'])).toEqual([other]);
    const claims = bench.send({ kind: 'lending', lending: { ...lending, hosts: ['other.example', other] } });
    expect(claims).toMatchObject([{ kind: 'claim', offer: offered.offer.id }]);
    expect(claims[0]).not.toHaveProperty('claim.pass');
    expect(bench.worker.hostsWanted()).toEqual([]);
  });

  it('passes on a job of a host of which a limit is reached, and claims it when it is not any more', async () => {
    const bench = await started();
    const lending = { ...bench.lending, hosts: ['git.example'] };
    bench.send({ kind: 'lending', lending: { ...lending, spent: ['git.example', '192.0.2.1'] } });
    const event = { kind: 'offer' as const, ...(await bench.makeOffer()), entropy: 'e', hosts: [other] };
    const pass = `does not connect to ${other}: it has reached a limit of this hour`;
    expect(bench.send(event)).toMatchObject([{ kind: 'claim', claim: { pass } }]);
    expect(bench.worker.hostsWanted()).toEqual([]);
    expect(bench.send({ kind: 'lending', lending })).toMatchObject([{ kind: 'claim' }]);
  });

  it('tells its operator of 64 hosts that jobs would need', () => {
    const known = Array.from({ length: 65 }, (_, n) => ({
      state: 'passed',
      hosts: [`host-${n}.example:443`],
    }));
    expect(hostsWanted(known, [])).toHaveLength(64);
    expect(hostsWanted([{ state: 'done', hosts: ['other.example:443'] }], [])).toEqual([]);
  });

  it('without a list, as before there was one, claims it', async () => {
    const bench = await started();
    const claims = bench.send({ kind: 'offer', ...(await bench.makeOffer()), entropy: 'e', hosts: [other] });
    expect(claims).toMatchObject([{ kind: 'claim' }]);
    expect(claims[0]).not.toHaveProperty('claim.pass');
  });

  it('says a reason that fits into a claim, however long the host is', async () => {
    const bench = await started();
    bench.send({ kind: 'lending', lending: { ...bench.lending, hosts: [] } });
    const hosts = ['x'.repeat(5_000)];
    const [claim] = bench.send({ kind: 'offer', ...(await bench.makeOffer()), entropy: 'e', hosts });
    expect(claim?.kind === 'claim' ? claim.claim.pass?.length : 0).toBeLessThanOrEqual(200);
  });
});
