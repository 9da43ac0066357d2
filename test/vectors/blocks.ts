import { fromUtf8 } from '../../src/protocol/base/text.ts';
import { type Bundle, encodeCanonical, encodeJob } from '../../src/protocol/documents/index.ts';
import { makeAnswer } from '../support/answers.ts';
import { cidOf, makeJob } from '../support/documents.ts';
import { makeProject } from '../support/project.ts';
import type { Vector } from './vector.ts';

const canonical = (value: unknown) => fromUtf8(encodeCanonical(value));

export function jobVectors(): Vector[] {
  const kind = 'job';
  const job = makeJob({ inputs: { lib: cidOf('lib') }, env: { LANG: 'C.UTF-8' } });
  const dependencies = { locks: ['package-lock.json', 'ui/yarn.lock'], tree: cidOf('dependencies') };
  const raw = fromUtf8(encodeJob(job).bytes);
  const tag = { name: 'v1.2', object: 'a'.repeat(40) };
  const valid: Vector[] = [
    { name: 'valid', kind, raw, expect: 'ok' },
    { name: 'on the host image', kind, raw: canonical({ ...job, image: 'host' }), expect: 'ok' },
    { name: 'that keeps all of $OUT', kind, raw: canonical({ ...job, outputs: ['.'] }), expect: 'ok' },
    {
      name: 'with a named step',
      kind,
      raw: canonical({ ...job, run: [{ run: 'make', name: 'Build' }] }),
      expect: 'ok',
    },
    {
      name: 'with a step for bash',
      kind,
      raw: canonical({ ...job, run: [{ run: 'make', shell: 'bash' }] }),
      expect: 'ok',
    },
    {
      name: 'with a step that may fail',
      kind,
      raw: canonical({ ...job, run: [{ run: 'make', allowFailure: true }] }),
      expect: 'ok',
    },
    { name: 'with a git folder', kind, raw: canonical({ ...job, git: {} }), expect: 'ok' },
    { name: 'with a git folder and a tag', kind, raw: canonical({ ...job, git: { tag } }), expect: 'ok' },
    { name: 'with a network', kind, raw: canonical({ ...job, network: ['store', 'vcs'] }), expect: 'ok' },
    {
      name: 'with dependencies',
      kind,
      raw: canonical({ ...job, dependencies }),
      expect: 'ok',
    },
    { name: 'of a test', kind, raw: canonical({ ...job, kind: 'test' }), expect: 'ok' },
  ];
  const changes: [string, object][] = [
    ['of version 2', { v: 2 }],
    ['with an unknown field', { privileged: true }],
    ['with a time', { iat: 1_700_000_000 }],
    ['with an output outside', { outputs: ['../etc/passwd'] }],
    ['with an output outside by a detour', { outputs: ['a/../../b'] }],
    ['with an absolute output', { outputs: ['/etc/passwd'] }],
    ['with an empty path part', { outputs: ['a//b'] }],
    ['with a dot in a path', { outputs: ['./a'] }],
    ['with a NUL in an output', { outputs: ['a\0b'] }],
    ['without outputs', { outputs: [] }],
    ['without steps', { run: [] }],
    ['with an empty step', { run: [''] }],
    ['with a step that is its command only, in the longer form', { run: [{ run: 'make' }] }],
    ['with a step without a command', { run: [{ name: 'Build' }] }],
    ['with a step of an unknown option', { run: [{ run: 'make', privileged: true }] }],
    ['with a step for the default shell, in the longer form', { run: [{ run: 'make', shell: 'sh' }] }],
    ['with a step for another shell', { run: [{ run: 'make', shell: '/bin/zsh' }] }],
    ['with a step that may not fail, in the longer form', { run: [{ run: 'make', allowFailure: false }] }],
    ['with a step without a name', { run: [{ run: 'make', name: '' }] }],
    ['with a step whose name is two lines', { run: [{ run: 'make', name: 'a\nb' }] }],
    ['with a git folder that is a flag', { git: true }],
    ['with a git folder of a branch', { git: { branch: 'main' } }],
    ['with a tag that is no name of one', { git: { tag: { ...tag, name: 'a b' } } }],
    ['with a tag of two lines', { git: { tag: { ...tag, name: 'a\nb' } } }],
    ['with a tag that is a path upwards', { git: { tag: { ...tag, name: 'a/../b' } } }],
    ['with a tag without its object', { git: { tag: { name: 'v1.2' } } }],
    ['with an image by its tag', { image: 'debian:13' }],
    ['with an input that is a path', { inputs: { '../lib': cidOf('lib') } }],
    ['with an input by URL', { inputs: { lib: 'https://example/lib' } }],
    ['with a variable that is none', { env: { 'A=B': 'c' } }],
    ['with a variable that holds control characters', { env: { A: '\u001b[2J' } }],
    ['of a branch', { source: { ...job.source, commit: 'main' } }],
    ['with a source without its tree', { source: { url: job.source.url, commit: job.source.commit } }],
    ['for another machine', { arch: 'pdp11' }],
    ['with no memory', { limits: { ...job.limits, memoryBytes: 0 } }],
    ['with memory that is no integer', { limits: { ...job.limits, memoryBytes: 1e8 + 0.5 } }],
    ['with no lock file', { dependencies: { ...dependencies, locks: [] } }],
    ['with lock files out of order', { dependencies: { ...dependencies, locks: ['b.lock', 'a.lock'] } }],
    ['with a lock file twice', { dependencies: { ...dependencies, locks: ['a.lock', 'a.lock'] } }],
    ['with a lock file outside', { dependencies: { ...dependencies, locks: ['../yarn.lock'] } }],
    ['with dependencies nowhere', { dependencies: { locks: dependencies.locks } }],
    ['with dependencies by an index', { dependencies: { ...dependencies, index: dependencies.tree } }],
    ['for ever', { limits: { ...job.limits, seconds: 1e9 } }],
    ['of another sandbox profile', { profile: 'quorate-sandbox/1' }],
    ['of another CID profile', { cids: 'unixfs-v0-2015' }],
    ['named like a path', { name: 'a/b' }],
    ['that says it is a build', { kind: 'build' }],
    ['of no kind', { kind: null }],
    ['with a network that is nothing', { network: [] }],
    ['with a network out of order', { network: ['vcs', 'store'] }],
    ['with a network named twice', { network: ['vcs', 'vcs'] }],
    ['with a network of any host', { network: ['example.org'] }],
    ['with a network that is everything', { network: true }],
  ];
  const refused: Vector[] = changes.map(([name, change]) => ({
    name,
    kind,
    raw: canonical({ ...job, ...change }),
    expect: 'v' in change ? 'DOC_NEWER' : 'DOC_INVALID',
  }));
  const spelt: [string, string, string][] = [
    ['with white space', `${raw}\n`, 'DOC_NOT_CANONICAL'],
    ['with keys out of order', JSON.stringify(job), 'DOC_NOT_CANONICAL'],
    ['with a key twice', `{"arch":"x86_64",${raw.slice(1)}`, 'DOC_NOT_JSON'],
    ['with a slash escaped', raw.replace('git.example/', 'git.example\\/'), 'DOC_NOT_CANONICAL'],
    ['with a number in exponents', raw.replace('268435456', '268435456e0'), 'DOC_NOT_CANONICAL'],
    ['cut short', raw.slice(0, -1), 'DOC_NOT_JSON'],
    ['empty', '', 'DOC_NOT_JSON'],
  ];
  return [
    ...valid,
    ...refused,
    ...spelt.map(([name, text, code]) => ({ name, kind, raw: text, expect: code }) as Vector),
  ];
}

export async function bundleVectors(): Promise<Vector[]> {
  const kind = 'bundle';
  const runs = ['ada', 'bob'].map((operator) => ({ operator }));
  const { bundle } = await makeProject({
    runs,
    policy: { agree: 2, of: 2, cosign: 'required', rounds: 1 },
    charter: (c) => ({ ...c, floor: { ...c.floor, of: 2, rounds: 1 } }),
  });
  const raw = canonical(bundle);
  const witnessed = await makeProject({
    runs,
    own: null,
    policy: { agree: 2, of: 2, cosign: 'none', rounds: 1 },
    charter: (c) => ({ ...c, floor: { ...c.floor, of: 2, rounds: 1 } }),
    witnesses: ['ada', 'cyd'].map((operator) => ({ operator })),
  });
  const reading = await makeProject({
    runs,
    policy: { agree: 2, of: 2, cosign: 'required', rounds: 1 },
    charter: (c) => ({ ...c, floor: { ...c.floor, of: 2, rounds: 1 } }),
    reads: { lib: { from: await makeProject({ job: { name: 'lib' } }) } },
  });
  const answer = await makeAnswer({ from: await makeProject() });
  const { offers, receipts, entries } = bundle;
  const small = {
    ...bundle,
    offers: offers.slice(0, 1),
    receipts: receipts.slice(0, 1),
    entries: entries.slice(0, 1),
  };
  const changes: [string, Partial<Record<keyof Bundle | 'zz', unknown>>][] = [
    ['of version 2', { v: 2 }],
    ['with an unknown field', { zz: 1 }],
    ['without offers', { offers: [] }],
    ['without receipts', { receipts: [] }],
    ['without log entries', { entries: [] }],
    ['with a proof that is no hash', { entries: [{ leaf: 'x', index: 0, path: ['abc'] }] }],
    [
      'with a proof too long',
      { entries: [{ leaf: 'x', index: 0, path: Array.from({ length: 65 }, () => '0'.repeat(64)) }] },
    ],
    [
      'with a receipt without its lease',
      { receipts: bundle.receipts.map(({ envelope, grant }) => ({ envelope, grant })) },
    ],
    ['with a verdict that is an object', { verdict: {} }],
    ['with an empty list of witnesses', { witnesses: [] }],
    ['with an empty list of inputs', { inputs: [] }],
    ['with an input that has inputs', { inputs: [{ ...bundle, inputs: [bundle] }] }],
    ['with more inputs than a pipeline and its earlier requests have', { inputs: Array(202).fill(small) }],
    ['with more witnesses than slots', { witnesses: Array.from({ length: 17 }, () => bundle.publisher) }],
  ];
  return [
    { name: 'valid', kind, raw, expect: 'ok' },
    { name: 'with the grant of a witness', kind, raw: canonical(witnessed.bundle), expect: 'ok' },
    { name: 'of a job that reads an artifact', kind, raw: canonical(reading.bundle), expect: 'ok' },
    {
      name: 'of a request that is answered from an earlier one',
      kind,
      raw: canonical(answer.bundle),
      expect: 'ok',
    },
    ...changes.map(
      ([name, change]): Vector => ({
        name,
        kind,
        raw: canonical({ ...bundle, ...change }),
        expect: 'v' in change ? 'DOC_NEWER' : 'DOC_INVALID',
      }),
    ),
    { name: 'with white space', kind, raw: `${raw} `, expect: 'DOC_NOT_CANONICAL' },
    { name: 'with a key twice', kind, raw: `{"v":1,${raw.slice(1)}`, expect: 'DOC_NOT_JSON' },
    { name: 'empty', kind, raw: '', expect: 'DOC_NOT_JSON' },
  ];
}
