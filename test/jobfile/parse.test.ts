import { describe, expect, it } from 'vitest';
import { parseJobFile } from '../../src/jobfile/index.ts';
import { jobFileLimits } from '../../src/jobfile/limits.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { documentLimits } from '../../src/protocol/documents/limits.ts';

const defaults = {
  image: 'host',
  outputs: ['.'],
  env: {},
  limits: { cpus: 1, memoryBytes: 2 ** 30, diskBytes: 2 ** 30, seconds: 1200, pids: 512 },
  trust: { agree: 2, of: 3, cosign: 'required', rounds: 2 },
};
const cid = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi';

/** A job with `run` and these further lines. */
const job = (...lines: string[]) =>
  ['jobs:', '  a:', '    run: [x]', ...lines.map((line) => `    ${line}`)].join('\n');

const range = (count: number) => Array.from({ length: count }, (_, n) => n).join(', ');

function faultOf(text: string): QuorateError {
  try {
    parseJobFile(text, 'q.yaml');
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
  throw new Error('nothing was wrong with it');
}

describe('a good job file', () => {
  it('needs no more than commands', () => {
    expect(parseJobFile('jobs: {build: {run: [make]}}', 'q.yaml').jobs).toEqual([
      { name: 'build', run: ['make'], ...defaults },
    ]);
  });

  it('says everything it can', () => {
    const text = `
jobs:
  build:
    image: ${cid}
    run:
      - make
      - |
        make install \\
          DESTDIR=$OUT
    outputs: [usr/bin, share]
    env: {LC_ALL: C, DEBUG: "1"}
    limits: {cpus: 2, memory: 2GiB, disk: 512MiB, time: 90s, pids: 64}
    trust: {agree: 3, of: 4, cosign: none, rounds: 1}
  check:
    run: [make check]
`;
    const [build, check] = parseJobFile(text, 'q.yaml').jobs;
    expect(build).toEqual({
      name: 'build',
      image: cid,
      run: ['make', 'make install \\\n  DESTDIR=$OUT\n'],
      outputs: ['usr/bin', 'share'],
      env: { LC_ALL: 'C', DEBUG: '1' },
      limits: { cpus: 2, memoryBytes: 2 ** 31, diskBytes: 2 ** 29, seconds: 90, pids: 64 },
      trust: { agree: 3, of: 4, cosign: 'none', rounds: 1 },
    });
    expect(check).toEqual({ name: 'check', run: ['make check'], ...defaults });
  });

  it('may be of a test, which needs no co-signature unless it says so', () => {
    const trustOf = (...lines: string[]) => parseJobFile(job(...lines), 'q.yaml').jobs[0];
    const open = { ...defaults.trust, cosign: 'none' };
    expect(trustOf('kind: test')).toMatchObject({ kind: 'test', trust: open });
    expect(trustOf('kind: test', 'trust: {agree: 3, of: 3}')?.trust).toEqual({ ...open, agree: 3, of: 3 });
    expect(trustOf('kind: test', 'trust: {cosign: required}')?.trust).toEqual(defaults.trust);
    expect(trustOf('matrix: {v: [a, b]}', 'kind: test')).toMatchObject({ name: 'a.a', kind: 'test' });
    expect(trustOf()).not.toHaveProperty('kind');
  });

  it('may give a step a name; one without options is its command alone', () => {
    const run = (text: string) => parseJobFile(`jobs: {a: {run: ${text}}}`, 'q.yaml').jobs[0]?.run;
    expect(run('[{name: Unit tests, run: make check}, make]')).toEqual([
      { run: 'make check', name: 'Unit tests' },
      'make',
    ]);
    expect(run('[{run: make}]')).toEqual(['make']);
  });

  it('may ask for bash, in all steps or in one', () => {
    const run = (text: string) => parseJobFile(`jobs: {a: {${text}}}`, 'q.yaml').jobs[0]?.run;
    expect(run('run: [a, {run: b, shell: bash}]')).toEqual(['a', { run: 'b', shell: 'bash' }]);
    expect(run('shell: bash, run: [a, {name: n, run: b}, {run: c, shell: sh}]')).toEqual([
      { run: 'a', shell: 'bash' },
      { run: 'b', name: 'n', shell: 'bash' },
      'c',
    ]);
    expect(run('shell: sh, run: [{run: a, shell: sh}]')).toEqual(['a']);
  });

  it('says whether the checkout has a git folder, and nothing where it has none', () => {
    const of = (line: string) => parseJobFile(job(line), 'q.yaml').jobs[0];
    expect(of('git: true')?.git).toBe(true);
    expect(of('git: false')).toEqual(of('image: host'));
  });

  it('may let a step fail', () => {
    const run = (text: string) => parseJobFile(`jobs: {a: {run: [${text}]}}`, 'q.yaml').jobs[0]?.run;
    expect(run('{run: a, allow_failure: true}, {run: b, allow_failure: false}')).toEqual([
      { run: 'a', allowFailure: true },
      'b',
    ]);
  });

  it('says what a job may reach in one spelling, and nothing where it may reach nothing', () => {
    const network = (text: string) => parseJobFile(job(`network: ${text}`), 'q.yaml').jobs[0]?.network;
    expect(network('[vcs, store]')).toEqual(['store', 'vcs']);
    expect(network('[store, vcs]')).toEqual(['store', 'vcs']);
    expect(network('[vcs]')).toEqual(['vcs']);
    expect(parseJobFile(job('network: []'), 'q.yaml')).toEqual(parseJobFile(job('image: host'), 'q.yaml'));
    expect('network' in (parseJobFile(job('network: []'), 'q.yaml').jobs[0] ?? {})).toBe(false);
  });

  it('may repeat a part through an alias', () => {
    const { jobs } = parseJobFile('jobs:\n  a: &a\n    run: [x]\n  b: *a\n', 'q.yaml');
    expect(jobs.map(({ name, run }) => [name, run])).toEqual([
      ['a', ['x']],
      ['b', ['x']],
    ]);
  });
});

describe('an unknown key', () => {
  it.each([
    ['jbs:\n  a: {run: [x]}', '1:1', 'Did you mean "jobs"?'],
    ['jobs: {a: {rum: [x]}}', '1:12', 'Did you mean "run"?'],
    [job('output: [x]'), '4:5', 'Did you mean "outputs"?'],
    [job('limits:', '  cpu: 2'), '5:7', 'Did you mean "cpus"?'],
    [job('trust: {agree: 2, cosing: none}'), '4:23', 'Did you mean "cosign"?'],
    [
      job('kinship: b'),
      '4:5',
      'Known here: kind, image, run, shell, outputs, env, network, dependencies, git, limits, trust, needs, matrix, if.',
    ],
    [job('if: {refs: [main]}'), '4:10', 'Did you mean "ref"?'],
    ['jobs: {a: {run: [{run: x, nam: y}]}}', '1:27', 'Did you mean "name"?'],
    ['jobs: {a: {run: [install: all]}}', '1:18', 'Known here: run, name, allow_failure, shell.'],
    ['jobs:\n  a: &a\n    run: [x]\n    rum: [y]\n  b: *a', '4:5', 'Did you mean "run"?'],
  ])('%j is refused with its place and the nearest known one', (text, place, hint) => {
    const { code, message, hint: said } = faultOf(text);
    expect(code).toBe('JOBFILE_INVALID');
    expect(message).toContain(`q.yaml:${place}: `);
    expect(said).toBe(hint);
  });
});

it.each(['v: 2', 'version: "2"'])('a file that says %s is of a newer program', (line) => {
  const { code, message } = faultOf(`${line}\njobs: {a: {run: [x]}}`);
  expect(code).toBe('JOBFILE_NEWER');
  expect(message).toMatch(/^q\.yaml:1:1: .* newer/);
});

describe('a wrong value', () => {
  it.each([
    ['', '1:1', 'expected the key "jobs"'],
    ['- a', '1:1', 'expected the key "jobs"'],
    ['jobs:', '1:6', 'jobs: expected keys with values'],
    ['jobs: {}', '1:1', 'jobs: names no job'],
    ['jobs: {a: {}}', '1:8', 'jobs.a.run: is missing'],
    ['jobs: {a: {run: make}}', '1:17', 'jobs.a.run: expected a list'],
    ['jobs: {a: {run: []}}', '1:17', 'needs at least one command'],
    ['jobs: {a: {run: [x, 1]}}', '1:21', 'jobs.a.run.1: expected a command, in quotes, or keys'],
    ['jobs: {a: {run: [{name: x}]}}', '1:18', 'jobs.a.run.0.run: is missing'],
    ['jobs: {a: {run: [{run: x, name: ""}]}}', '1:33', 'jobs.a.run.0.name: is empty'],
    ['jobs: {a: {run: [{run: x, name: "a\\nb"}]}}', '1:33', 'control characters'],
    ['jobs: {a: {run: [{run: "", name: a}]}}', '1:24', 'jobs.a.run.0.run'],
    ['jobs: {a: {run: [{run: 1}]}}', '1:24', 'jobs.a.run.0.run: expected text; put the value in quotes'],
    ['jobs: {a: {run: [[x]]}}', '1:18', 'jobs.a.run.0: expected a command, in quotes, or keys'],
    [
      `jobs: {a: {run: [{run: x, name: ${'n'.repeat(documentLimits.stepNameCharsMax + 1)}}]}}`,
      '1:33',
      'jobs.a.run.0.name',
    ],
    ['jobs: {a: {run: ["a\\0b"]}}', '1:18', 'control characters'],
    ['jobs: {a: {run: ["\\e[8mcurl"]}}', '1:18', 'control characters'],
    [
      `jobs: {a: {run: [${'x, '.repeat(limits.jobStepsMax)}x]}}`,
      '1:17',
      `more than ${limits.jobStepsMax} commands`,
    ],
    ['jobs: {"a b": {run: [x]}}', '1:8', 'letters, digits'],
    [`jobs: {${'j'.repeat(65)}: {run: [x]}}`, '1:8', 'letters, digits'],
    ['jobs: {a: {run: [{run: x, allow_failure: 1}]}}', '1:42', 'allow_failure: expected true or false'],
    [job('git: v1'), '4:10', 'jobs.a.git: expected true or false'],
    [job('shell: zsh'), '4:12', 'jobs.a.shell: expected "sh" or "bash"'],
    ['jobs: {a: {run: [{run: x, shell: zsh}]}}', '1:34', 'jobs.a.run.0.shell: expected "sh" or "bash"'],
    [job('kind: build'), '4:11', 'expected "test", or no "kind"'],
    [job('image: debian'), '4:12', 'expected "host", or the CID of an image'],
    [job('image: 12'), '4:12', 'expected "host", or the CID of an image'],
    [job('outputs: [../up]'), '4:15', 'below $OUT'],
    [job('outputs: [/etc]'), '4:15', 'below $OUT'],
    [job('outputs: [a, a]'), '4:14', 'the same path twice'],
    [job('outputs: []'), '4:14', 'jobs.a.outputs'],
    [job('network: [internet]'), '4:15', 'expected "vcs" or "store"'],
    [job('network: [vcs, vcs]'), '4:14', 'names the same twice'],
    [job('network: vcs'), '4:14', 'expected a list'],
    [job('env: {A: 1.10}'), '4:14', 'jobs.a.env.A: expected text; put the value in quotes'],
    [job('env:', '  "A B": x'), '5:14', 'not the name of an environment variable'],
    [job('env: {__proto__: x}'), '4:11', '__proto__'],
    [job('limits: {memory: 2GB}'), '4:22', 'such as 512MiB or 4GiB'],
    [job('limits: {memory: 2147483648}'), '4:22', 'such as 512MiB or 4GiB'],
    [job('limits: {memory: 1KiB}'), '4:22', '1KiB is out of bounds: 16MiB to'],
    [job('limits: {disk: 999999999TiB}'), '4:20', 'out of bounds'],
    [job('limits: {time: 20}'), '4:20', 'such as 90s, 20m, 1h or 7d'],
    [job('limits: {time: 999h}'), '4:20', 'out of bounds'],
    [job('limits: {cpus: 0.5}'), '4:20', 'jobs.a.limits.cpus: expected a whole number'],
    [job('limits: {cpus: 0}'), '4:20', 'jobs.a.limits.cpus'],
    [job('limits: {pids: 1}'), '4:20', 'jobs.a.limits.pids'],
    [job('trust: {agree: 2, of: 4}'), '4:5', 'twice agree (2) must exceed of (4)'],
    [job('trust: {agree: 4, of: 3}'), '4:5', 'agree (4) must not exceed of (3)'],
    [job('trust: {cosign: maybe}'), '4:21', 'expected "required" or "none"'],
    [
      job(`trust: {agree: ${documentLimits.slotsMax}, of: ${documentLimits.slotsMax + 1}}`),
      '4:',
      'jobs.a.trust',
    ],
    [job(`trust: {rounds: ${documentLimits.roundsMax + 1}}`), '4:21', 'jobs.a.trust.rounds'],
    [job('needs: b'), '4:12', 'expected a list of jobs, or jobs with "agreed" or "trusted"'],
    [job('needs: {b: maybe}'), '4:16', 'jobs.a.needs.b: expected "agreed" or "trusted"'],
    [job('needs: [b, b]'), '4:12', 'names the same job twice'],
    [job('needs: ["b c"]'), '4:13', 'letters, digits'],
    [job('matrix: [gcc]'), '4:13', 'jobs.a.matrix: expected keys with values'],
    [job('matrix: {cc: gcc}'), '4:18', 'expected a list'],
    [job('matrix: {cc: []}'), '4:18', 'needs at least one value'],
    [job('matrix: {py: [3.10]}'), '4:19', 'put other values in quotes'],
    [job('matrix: {on: [true]}'), '4:19', 'put other values in quotes'],
    [job('matrix: {n: [1, "1"]}'), '4:17', 'has the same value twice'],
    [job('matrix: {"c-c": [gcc]}'), '4:', 'a key has letters, digits and _ only'],
    [job('matrix: {x: ["\\e[8m"]}'), '4:18', 'holds control characters'],
    [
      job(
        `matrix: {${Array.from({ length: jobFileLimits.matrixKeysMax + 1 }, (_, n) => `k${n}: [1]`).join(', ')}}`,
      ),
      '4:5',
      `more than ${jobFileLimits.matrixKeysMax} keys`,
    ],
    [job('if: {}'), '4:5', 'names no condition'],
    [job('if: {ref: main}'), '4:15', 'expected a list'],
    [job('if: {ref: []}'), '4:15', 'needs at least one pattern'],
    [job('if: {changed: ["src/[ab]"]}'), '4:20', '"[" has no meaning in a pattern'],
    [job('if: {changed: [/src]}'), '4:20', 'begins with a name'],
    ['? [a]\n: b', '1:3', 'plain text'],
    ['1: b', '1:1', 'plain text'],
  ])('%j is refused with its place', (text, place, reason) => {
    const { code, message } = faultOf(text);
    expect(code).toBe('JOBFILE_INVALID');
    expect(message).toContain(`q.yaml:${place}`);
    expect(message).toContain(reason);
  });

  it('is reported first where it comes first', () => {
    expect(faultOf(job('limits: {cpus: 0}', 'trust: {cosign: maybe}', 'rum: x')).message).toContain(
      'q.yaml:4:20',
    );
  });

  it('never carries control characters of the file into the message', () => {
    const { message } = faultOf('jobs: {"a\\e[31m\\u202e": {run: [x]}}');
    expect(message).toContain('jobs.a?[31m?');
    expect(message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe('jobs that do not fit together', () => {
  const file = (...lines: string[]) => ['jobs:', ...lines].join('\n');
  it.each([
    ['PIPELINE_INVALID', job('needs: {b: agreed}'), '4:16', 'no job "b"'],
    ['PIPELINE_INVALID', job('needs: [b]'), '4:13', 'no job "b"'],
    ['PIPELINE_INVALID', job('needs: [a]'), '4:13', 'a needs a'],
    [
      'PIPELINE_INVALID',
      file('  a: {run: [x], needs: [b]}', '  b:', '    run: [x]', '    needs: {a: agreed}'),
      '5:16',
      'a needs b needs a',
    ],
    [
      'PIPELINE_TOO_LARGE',
      job(`matrix: {a: [${range(11)}], b: [${range(11)}]}`),
      '4:5',
      'with this matrix of over 100',
    ],
    [
      'PIPELINE_TOO_LARGE',
      file(`  a: {run: [x], matrix: {n: [${range(14)}]}}`, '  b:', '    run: [x]', '    needs: [a]'),
      '5:12',
      'the evidence of these 15 jobs could come to',
    ],
    ['PIPELINE_TOO_LARGE', job('limits: {files: 20000}', 'trust: {agree: 5, of: 8}'), '2:3', 'the evidence'],
    ['PIPELINE_INVALID', job('matrix: {x: [a+b, a-b, a/b]}'), '4:5', 'named "a.a_b"'],
    ['PIPELINE_INVALID', job('image: ${{ matrix.image }}'), '4:12', 'no key "image"'],
    ['PIPELINE_INVALID', job('matrix: {image: [debian]}', 'image: ${{ matrix.image }}'), '5:12', 'CID'],
    ['PIPELINE_INVALID', 'jobs: {a: {run: [x, "${{cc}}"]}}', '1:21', 'begins no'],
    ['PIPELINE_INVALID', job('env: {A: "${{ matrix.b }}"}'), '4:14', 'jobs.a.env.A'],
  ])('%s: %j', (code, text, place, reason) => {
    const fault = faultOf(text);
    expect(fault.code).toBe(code);
    expect(fault.message).toContain(`q.yaml:${place}: `);
    expect(fault.message).toContain(reason);
    expect(fault.hint).toBeDefined();
  });

  it('come to jobs that need each other, in a list and as keys', () => {
    const { jobs, instances } = parseJobFile(
      file(
        '  test: {run: ["make test CC=${{ matrix.cc }}"], needs: {build: agreed}, matrix: {cc: [gcc, clang]}}',
        '  build: {run: [make], if: {ref: [main]}}',
        '  package: {run: [x], needs: [build, test]}',
      ),
      'q.yaml',
    );
    expect(jobs.map(({ name, run }) => [name, run])).toEqual([
      ['build', ['make']],
      ['test.gcc', ['make test CC=gcc']],
      ['test.clang', ['make test CC=clang']],
      ['package', ['x']],
    ]);
    expect(Object.keys(jobs[1] ?? {}).toSorted()).toEqual(Object.keys(jobs[0] ?? {}).toSorted());
    expect('needs' in (jobs[1] ?? {})).toBe(false);
    expect(instances.map(({ needs }) => needs)).toEqual([
      [],
      [{ instance: 'build', level: 'agreed' }],
      [{ instance: 'build', level: 'agreed' }],
      ['build', 'test.gcc', 'test.clang'].map((instance) => ({ instance, level: 'trusted' })),
    ]);
  });
});

describe('a text that is not YAML we read', () => {
  const many = (name: string, of: string) => `${name}: &${name} [${Array(12).fill(of).join(', ')}]\n`;
  it.each([
    ['a tab', 'jobs:\n\ta: x', '2:1'],
    ['a key twice', 'jobs: {}\njobs: {}', '2:1'],
    ['a job twice', 'jobs:\n  a: {run: [x]}\n  a: {run: [y]}', '3:3'],
    ['two documents', '--- 1\n--- 2', '2:1'],
    ['an unknown tag', 'jobs: !!js/function x', '1:7'],
    ['an alias without its anchor', 'jobs: *x', '1:1'],
    ['an open bracket', 'jobs: [', '1:8'],
    [
      'aliases that multiply',
      `${many('a', 'x')}${many('b', '*a')}${many('c', '*b')}${many('jobs', '*c')}`,
      '3:7',
    ],
    ['an alias inside of what it stands for', 'jobs: &a [x, *a]', '1:14'],
  ])('refuses %s', (_, text, place) => {
    const { code, message } = faultOf(text);
    expect(code).toBe('JOBFILE_INVALID');
    expect(message).toContain(`q.yaml:${place}`);
  });

  it.each([
    ['lists', '['.repeat(50_000)],
    ['lists, one more than are read', `${'['.repeat(66)}${']'.repeat(66)}`],
    ['mappings', '{a: '.repeat(20_000)],
    ['lists of dashes', '- '.repeat(50_000)],
    ['mappings by indentation', Array.from({ length: 500 }, (_, n) => `${' '.repeat(n)}a:`).join('\n')],
    ['maps without keys', `${': '.repeat(8_000)}\n? a`],
    ['keys that are lists', '? '.repeat(20_000)],
  ])('ends at a limit of ours for %s within each other', (_, text) => {
    const { code, message } = faultOf(text);
    expect(code).toBe('JOBFILE_INVALID');
    expect(message).toMatch(/^q\.yaml:\d+:\d+: at most 64 lists and mappings/);
  });

  it.each([
    ['many aliases of a thing they are in', `a: &a [${'*a,'.repeat(3_000)}]`],
    ['many keys that are not known', Array.from({ length: 20_000 }, (_, n) => `k${n}: 1`).join('\n')],
  ])('is not kept busy by %s', (_, text) => {
    const before = process.threadCpuUsage().user;
    faultOf(text);
    expect(process.threadCpuUsage().user - before).toBeLessThan(2_000_000);
  });

  it('quotes little of one long word', () => {
    expect(faultOf(`*${'a'.repeat(10_000)}`).message.length).toBeLessThan(500);
  });

  it('refuses a file too large to be written by hand, and one with too many jobs', () => {
    expect(faultOf(`# ${'x'.repeat(jobFileLimits.bytesMax)}`).code).toBe('JOBFILE_INVALID');
    const jobs = Array.from({ length: jobFileLimits.jobsMax + 1 }, (_, i) => `  j${i}: {run: [x]}\n`).join(
      '',
    );
    expect(faultOf(`jobs:\n${jobs}`).message).toContain(`more than ${jobFileLimits.jobsMax} jobs`);
  });
});
