import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromForeign, parseJobFile } from '../../src/jobfile/index.ts';
import { jobFileLimits } from '../../src/jobfile/limits.ts';
import { codeOf } from '../support/code-and-folder.ts';

const around = { lockFiles: ['package-lock.json', 'go.sum'] };

/** Of a fixture: what is written, its jobs, and the findings as `line what`. */
function made(name: string, path: string) {
  const text = readFileSync(join(import.meta.dirname, 'foreign', name), 'utf8');
  return read(text, path);
}

function read(text: string, path: string) {
  const { findings, ...rest } = fromForeign(text, path, around);
  const { jobs } = parseJobFile(rest.text, 'quorate.yaml');
  const told = findings.map(({ line, what }) => `${line} ${what}`);
  return { ...rest, jobs, findings, told, named: (job: string) => jobs.find(({ name }) => name === job) };
}

describe('a workflow of GitHub', () => {
  const { kind, text, told, jobs, named, findings } = made('node.yml', '.github/workflows/test.yml');

  it('has its jobs, matrices, needs and conditions', () => {
    expect(kind).toBe('github');
    expect(jobs.map(({ name }) => name)).toEqual(['test.20', 'test.22.10', 'test.24', 'package', 'publish']);
    expect(text).toContain('needs:\n      - package\n');
    expect(text).toContain('if:\n      ref:\n        - refs/heads/main\n');
    expect(named('package')).toMatchObject({ limits: { seconds: 600 } });
    expect(named('package')?.kind).toBeUndefined();
    expect(named('test.20')).toMatchObject({ kind: 'test', dependencies: ['package-lock.json'] });
  });

  it('has its steps, with what they set', () => {
    expect(named('test.22.10')).toMatchObject({
      env: { FORCE_COLOR: '1' },
      run: [
        { run: 'npm ci', shell: 'bash' },
        {
          name: 'Tests on ubuntu-latest',
          run: `export LEVEL='it'\\''s high'\nnpm test -- --node 22.10\necho "$GITHUB_SHA"`,
          shell: 'bash',
        },
        // The shell refuses it: no value is made up.
        { run: 'echo ${{ github.event.number }}', shell: 'bash', allowFailure: true },
      ],
    });
    expect(named('package')?.run).toEqual([
      { run: "cd 'sub dir'\nmake", shell: 'bash' },
      { name: 'Keep the artifact', run: 'cp -R --parents -- dist/ "$OUT"', shell: 'bash' },
    ]);
  });

  it('tells line by line what it does not say', () => {
    expect(told).toEqual([
      '3 on push',
      '5 on pull_request',
      '6 on schedule',
      '8 permissions',
      '15 runs-on ${{ matrix.os }}',
      '19 matrix os: windows-latest',
      '21 matrix exclude',
      '23 services',
      '27 checkout fetch-depth',
      '28 uses actions/setup-node@v4',
      '34 GITHUB_SHA',
      '38 secrets',
      '40 ${{ github.event.number }}',
      '41 if always()',
      '46 runs-on ubuntu-latest',
      '47 container',
      '56 !dist/*.map',
      '61 jobs.publish: uses',
    ]);
    for (const { line } of findings) expect(text).toContain(`# OPEN line ${line}: `);
    expect(text).not.toContain('secrets.TOKEN');
  });
});

describe('a step that no job can have', () => {
  it.each([
    ['npm publish --access public', undefined],
    ['npm run build && npm publish', undefined],
    [
      'if [ -n "$TAG" ]; then\n  cargo publish\nfi',
      'if [ -n "$TAG" ]; then\n  : # left out: cargo publish\nfi',
    ],
    ['make\ndocker push a/b:1\n', 'make\n: # left out: docker push a/b:1'],
    ['npm publish \\\n  --access public', undefined],
    ['gh release create v1\ntwine upload dist/*', undefined],
  ])('a step that publishes is no live step: %j', (run, left) => {
    const { text, told, named } = read(
      `on: push\njobs: {a: {steps: [{run: make}, {run: ${JSON.stringify(run)}}]}}\n`,
      '.github/workflows/x.yml',
    );
    expect(named('a')?.run.map((step) => (typeof step === 'string' ? step : step.run))).toEqual(
      left === undefined ? ['make'] : ['make', left],
    );
    expect(told.slice(1).join()).toMatch(/publish|docker push|gh release create/);
    expect(text).toContain('quorate on trusted');
    // It is there to be read.
    expect(text).toContain(run.split(/[ \n]/)[0]);
  });

  it('a job that only publishes fails, and a script that names publishing is kept', () => {
    const only = read('on: push\njobs: {a: {steps: [{run: npm publish}]}}\n', '.github/workflows/x.yml');
    expect(only.named('a')?.run).toMatchObject([{ run: expect.stringContaining('false') }]);
    for (const run of ['npm run publish-docs', './publish.sh', 'echo npm publisher'])
      expect(
        read(`on: push\njobs: {a: {steps: [{run: ${run}}]}}\n`, '.github/workflows/x.yml').named('a')?.run,
      ).toMatchObject([{ run }]);
  });

  it('a key of a matrix that a command has in an expression of another form stays', () => {
    const text = 'jobs: {a: {strategy: {matrix: {b: [1, 2]}}, steps: [{run: "echo ${{ matrix[\'b\'] }}"}]}}';
    const { jobs } = read(text, '.github/workflows/x.yml');
    expect(jobs.map(({ name }) => name)).toEqual(['a.1', 'a.2']);
  });

  it('a key of a matrix that only named a version of a tool makes no further jobs', () => {
    const { jobs, told } = read(
      `on: push
jobs:
  a:
    strategy: {matrix: {node: [20, 22], level: [1, 2]}}
    steps:
      - {uses: actions/setup-node@v4, with: {node-version: '\${{ matrix.node }}'}}
      - run: echo \${{ matrix.level }}
`,
      '.github/workflows/x.yml',
    );
    expect(jobs.map(({ name }) => name)).toEqual(['a.1', 'a.2']);
    expect(told).toEqual(['1 on push', '4 matrix node', '6 uses actions/setup-node@v4']);
  });
});

describe.each([
  [
    '.woodpecker.yml',
    'matrix: {GO: [1, 2], CC: [x, y]}\nsteps: [{name: a, image: "go:${GO}", commands: ["RUN"]}]\n',
  ],
  [
    '.gitlab-ci.yml',
    'a: {image: "go:$GO", parallel: {matrix: [{GO: [1, 2], CC: [x, y]}]}, script: ["RUN"]}\n',
  ],
])('of a matrix in %s', (path, text) => {
  it.each(['$CC', '${CC}'])(
    'a key that only the image has makes no further jobs, one that a command has does: %s',
    (word) => {
      const { jobs, told, text: made } = read(text.replace('RUN', `make ${word}`), path);
      expect(jobs.map(({ name }) => name.replace(/^.*\./, ''))).toEqual(['x', 'y']);
      expect(told).toContainEqual(expect.stringContaining('matrix GO'));
      expect(made).not.toMatch(/^ +GO:/m);
    },
  );

  it('a key that a command has in its own name stays', () => {
    const { jobs, told } = read(text.replace('RUN', 'make $GO ${CC}'), path);
    expect(jobs).toHaveLength(4);
    expect(told).not.toContainEqual(expect.stringContaining('matrix GO'));
  });
});

it.each([
  [
    '.woodpecker.yml',
    'matrix: {GO: [1]}\nsteps: [{name: a, environment: {A: ENV}, commands: ["make ${GO}"]}]\n',
  ],
  ['.gitlab-ci.yml', 'a: {variables: {A: ENV}, script: [make]}\n'],
])('a variable within a variable is told in %s', (path, text) => {
  const told = (value: string) =>
    read(
      text.replace('ENV', () => JSON.stringify(value)),
      path,
    ).told.filter((one) => one.includes('in a variable'));
  expect(told('$CI_PROJECT_DIR/.cache')).toEqual([expect.stringContaining('$CI_PROJECT_DIR in a variable')]);
  expect(told('${HOME}/x')).toHaveLength(1);
  expect([told('a$'), told('$$HOME'), told('5 $')]).toEqual([[], [], []]);
});

it('a dollar that is doubled in a command of Woodpecker names no key of the matrix', () => {
  const text = 'matrix: {GO: [1]}\nsteps: [{name: a, commands: ["echo ${GO} $$GO $${GO}"]}]\n';
  expect(read(text, '.woodpecker.yml').jobs[0]?.run).toMatchObject([{ run: 'echo 1 $$GO $${GO}' }]);
});

it('a key of a matrix that nothing names is a variable of what GitLab runs', () => {
  const text = 'a: {parallel: {matrix: [{CC: [x, y]}]}, script: [./build]}\n';
  const { jobs } = read(text, '.gitlab-ci.yml');
  expect(jobs.map(({ env }) => env)).toEqual([{ CC: 'x' }, { CC: 'y' }]);
});

describe('a workflow of Woodpecker', () => {
  const { kind, jobs, told, text } = made('go.woodpecker.yml', '.woodpecker.yml');

  it('is one job, since its steps share a checkout', () => {
    expect(kind).toBe('woodpecker');
    expect(jobs.map(({ name, run }) => ({ name, run }))).toEqual(
      ['1.22', '1.23'].map((version) => ({
        name: `build.${version}`,
        run: [
          {
            name: 'build',
            run: `export WORDS='b c'\ngo build ./...\necho ${version} \${CI_COMMIT_SHA}`,
          },
          { name: 'lint', run: 'go vet ./...', allowFailure: true },
        ],
      })),
    );
    expect(jobs[0]?.dependencies).toEqual(['go.sum']);
  });

  it('tells line by line what it does not say', () => {
    expect(told).toEqual([
      '1 when',
      '9 image golang:${GO}',
      '12 CI_COMMIT_SHA',
      '14 secret TOKEN',
      '18 image golang',
      '22 image plugins/slack',
      '23 notify: settings',
      '24 notify: when',
      '25 services',
    ]);
    expect(text).not.toContain('from_secret');
  });
});

describe('a pipeline of GitLab', () => {
  const { kind, jobs, told, named, text } = made('c.gitlab-ci.yml', '.gitlab-ci.yml');

  it('has its jobs, what they extend and merge, and stages as needs', () => {
    expect(kind).toBe('gitlab');
    expect(jobs.map(({ name }) => name)).toEqual(['compile', 'unit.gcc', 'unit.clang', 'ship']);
    expect(named('compile')?.run).toEqual([
      { run: 'apt-get update\nmake\nmake install DESTDIR=out', shell: 'bash' },
      { name: 'Keep the artifacts', run: 'cp -R --parents -- out/ "$OUT"', shell: 'bash' },
    ]);
    expect(named('unit.clang')).toMatchObject({ env: { FLAGS: '-O2', CC: 'clang' }, kind: 'test' });
    expect(named('unit.clang')?.run).toEqual([
      { name: 'Take what was built', run: 'cp -R /build/in/compile/. .', shell: 'bash' },
      { run: 'apt-get update\nmake check CC=$CC', shell: 'bash' },
    ]);
    expect(text).toContain(
      'ship:\n    kind: test\n    needs:\n      - unit\n    if:\n      ref:\n        - main\n',
    );
  });

  it('asks for a co-signature of tests that others need: without an output they pass for nobody else', () => {
    expect(named('unit.gcc')?.trust.cosign).toBe('required');
    expect(named('ship')?.trust.cosign).toBe('none');
  });

  it('tells line by line what it does not say', () => {
    expect(told).toEqual([
      '3 compile: image gcc:13',
      '3 unit: image gcc:13',
      '3 ship: image gcc:13',
      '8 apt-get update',
      '9 compile: tags',
      '9 unit: tags',
      '25 unit: script',
      '30 unit: rules',
      '33 ship: environment production',
      '34 CI_COMMIT_SHA',
    ]);
  });
});

describe('a file that is none', () => {
  it.each([
    ['no YAML', 'jobs: [', 'JOBFILE_INVALID'],
    ['empty', '', 'JOBFILE_INVALID'],
    ['a list', '- a\n', 'JOBFILE_INVALID'],
    ['of no known kind', 'a: 1\n', 'JOBFILE_FOREIGN_UNKNOWN'],
    ['too large', `#${' '.repeat(jobFileLimits.bytesMax)}`, 'JOBFILE_INVALID'],
    ['too deep', `jobs: ${'['.repeat(100)}`, 'JOBFILE_INVALID'],
    ['of too many aliases', `jobs:\n  a: &a {b: c}\n  d: [${'*a,'.repeat(200)}]\n`, 'JOBFILE_INVALID'],
    ['with a key twice', 'jobs: {a: {}, a: {}}\n', 'JOBFILE_INVALID'],
  ])('is refused: %s', async (_, text, code) => {
    expect(await codeOf(() => fromForeign(text, 'x.yml', around))).toBe(code);
  });

  it('is refused with its line', () => {
    expect(() => fromForeign('jobs:\n  a: b: c\n', 'x.yml', around)).toThrow(/^x\.yml:2: /);
  });
});

describe('more than a file may hold', () => {
  const list = (count: number) => `[${Array.from({ length: count }, (_, at) => at)}]`;

  it('of a matrix is left out, and told', () => {
    const text = `jobs: {a: {strategy: {matrix: {x: ${list(20)}, y: ${list(20)}}}, steps: [{run: 'echo \${{ matrix.x }} \${{ matrix.y }}'}]}}`;
    const { jobs, told } = read(text, 'x.yml');
    expect(jobs.length).toBeLessThanOrEqual(jobFileLimits.jobsMax);
    expect(told).toEqual(['1 matrix y']);
  });

  it('of jobs is left out, and told', () => {
    const jobs = Array.from({ length: 150 }, (_, at) => `  j${at}: {steps: [{run: x}]}`).join('\n');
    const found = read(`jobs:\n${jobs}\n`, 'x.yml');
    expect(found.jobs).toHaveLength(jobFileLimits.jobsMax);
    expect(found.told).toEqual(['1 jobs']);
  });

  it('takes no longer than its length: blanks in an expression, templates that extend each other in many ways', () => {
    const blanks = `\${{ ${' '.repeat(100_000)}x`;
    const github = read(`on: push\njobs: {a: {steps: [{run: "${blanks}"}]}}\n`, '.github/workflows/x.yml');
    expect(github.named('a')?.run).toMatchObject([{ run: expect.stringContaining('false') }]);
    const level = (at: number) => Array.from({ length: at > 10 ? 0 : 20 }, (_, n) => `.t${at}-${n}`);
    const templates = Array.from({ length: 10 }, (_, at) =>
      level(at + 1).map((name) => `${name}: {extends: [${level(at + 2)}], script: [a]}`),
    );
    const gitlab = read(`${templates.flat().join('\n')}\nx: {extends: [${level(1)}]}\n`, '.gitlab-ci.yml');
    expect(gitlab.named('x')?.run).toMatchObject([{ run: 'a' }]);
  });

  it('of combinations of all jobs is left out, and told', () => {
    const one = (name: string) =>
      `${name}: {strategy: {matrix: {x: ${list(45)}}}, steps: [{run: 'echo \${{ matrix.x }}'}]}`;
    const { jobs, told } = read(`jobs: {${['a', 'b', 'c', 'd'].map(one).join(', ')}}`, 'x.yml');
    expect(jobs.length).toBeLessThanOrEqual(jobFileLimits.jobsMax);
    expect(told).toEqual(['1 matrix x of c', '1 matrix x of d']);
  });
});

it('text of others is one line in comments, and a job of nothing fails', () => {
  const { text, jobs } = read(
    'jobs:\n  "a\\nb":\n    if: "x\\n- evil\\u202e"\n    steps: []\n',
    'x\n- y.yml',
  );
  expect(
    text
      .split('\n')
      .filter((line) => /evil|y\.yml/.test(line))
      .every((line) => /^\s*#/.test(line)),
  ).toBe(true);
  expect(text).not.toContain('\u202e');
  expect(jobs).toMatchObject([{ name: 'a-b', run: [{ run: expect.stringContaining('false') }] }]);
});
