import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseHierarchies } from '../../../sandbox/cgroups/controllers.ts';
import { parseStatus } from '../../../sandbox/run/driver.ts';
import { LogLines } from '../../../src/client/commands/logs.ts';
import { isKnownHost, namesIn } from '../../../src/http/addresses.ts';
import { exampleJobFile } from '../../../src/jobfile/example.ts';
import { fromForeign, parseJobFile } from '../../../src/jobfile/index.ts';
import { clientOf } from '../../../src/protocol/base/client-address.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { escapeLine, LineEscaper } from '../../../src/protocol/base/escape.ts';
import { allowsHost, isHostEntry } from '../../../src/protocol/base/host-entry.ts';
import { readJunit } from '../../../src/protocol/base/junit.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { LogSteps } from '../../../src/protocol/base/log-steps.ts';
import { parseLogTimes, timeOfLine } from '../../../src/protocol/base/log-times.ts';
import { units as amounts } from '../../../src/protocol/base/units.ts';
import { bootstrapHost } from '../../../src/protocol/judge/hosts.ts';
import { serverOf, vcsAllowed } from '../../../src/protocol/judge/vcs.ts';
import { checkRef, isCommitId, parseGitUrl, resolveRef } from '../../../src/source/index.ts';
import { errorText } from '../../../src/terminal/errors.ts';
import { exampleWorkerFile, parseWorkerFile } from '../../../src/worker/commands/worker-file.ts';
import { mutatedText } from '../arbitraries.ts';
import { Scratch } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';

const yaml = [
  'jobs:\n  build:\n    run: [make]\n',
  'jobs:\n  a: &a\n    run: [make, "make install"]\n    limits: {memory: 1GiB, time: 20m}\n  b: *a\n',
  'jobs: {x: {run: ["a\\nb"], env: {A: "1"}, outputs: [bin], trust: {agree: 3, of: 5, cosign: none}}}\n',
];
const many = fc
  .integer({ min: 1, max: 3_000 })
  .chain((count) =>
    fc.constantFrom(
      Array.from({ length: count }, (_, index) => `k${index}: 1`).join('\n'),
      `jobs:\n${Array.from({ length: count }, (_, index) => `  k${index}: {run: [a]}`).join('\n')}`,
      `jobs: {a: {run: [${'a,'.repeat(count)}]}}`,
      `jobs: {a: {run: [a], env: {${Array.from({ length: count }, (_, index) => `A${index}: "1"`).join(',')}}}}`,
      '['.repeat(count),
      '- '.repeat(count),
      `a: ${'{a: '.repeat(count)}`,
      `a: &a [${'*a,'.repeat(count)}]`,
      `a: &a [x]\nb: [${'*a,'.repeat(count)}]`,
      'a: b: c\n'.repeat(count),
    ),
  );

const jobFile = define<string>({
  name: 'job-file',
  seeds: async () => [...yaml, exampleJobFile(['Makefile'])],
  arbitrary: (seeds) =>
    fc.oneof(
      {
        weight: 4,
        arbitrary: mutatedText(seeds, ['\n  ', 'jobs:', ': ', '- ', '[', '{', '|\n', '*a', '&a ', '#']),
      },
      { weight: 1, arbitrary: many },
    ),
  // The YAML library keeps the place of every character it reads, and tells every fault.
  msMax: 400,
  run(text) {
    const { jobs } = parseJobFile(text, 'quorate.yaml');
    must(
      jobs.length > 0 && jobs.every(({ run, limits }) => run.length > 0 && limits.seconds > 0),
      'a job without a command or a limit',
    );
  },
});

const foreign = [
  'on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {matrix: {os: [ubuntu-latest], n: [1, 2]}}\n    steps:\n      - uses: actions/checkout@v4\n      - run: make ${{ matrix.n }}\n        env: {A: b}\n      - uses: actions/upload-artifact@v4\n        with: {path: dist/*}\n  b: {needs: a, if: "github.ref == \'x\'", steps: [{run: x}]}\n',
  'matrix: {GO: [a, b]}\nsteps:\n  - name: x\n    image: y\n    commands: ["make ${GO}"]\n    environment: {A: {from_secret: s}}\n',
  'stages: [a, b]\n.t: &t {before_script: [x]}\none:\n  <<: *t\n  stage: a\n  script: [make]\n  artifacts: {paths: [out]}\ntwo:\n  extends: .t\n  stage: b\n  parallel: {matrix: [{C: [1, 2]}]}\n  script: y\n  only: [main]\n',
];
const foreignJobFile = define<string>({
  name: 'foreign-job-file',
  seeds: async () => [...foreign],
  arbitrary: (seeds) =>
    fc.oneof(
      {
        weight: 4,
        arbitrary: mutatedText(seeds, [
          '\n  ',
          ': ',
          '- ',
          '[',
          '{',
          '|\n',
          '<<: ',
          '*t',
          '${{ ',
          ' }}',
          '!x ',
        ]),
      },
      { weight: 1, arbitrary: many },
    ),
  msMax: 800,
  run(text) {
    const { jobs, findings, text: made } = fromForeign(text, 'x.yml', { lockFiles: ['go.sum'] });
    must(jobs > 0 && parseJobFile(made, 'quorate.yaml').jobs.length >= jobs, 'a job is lost');
    must(
      findings.every(({ line, what }) => line > 0 && !what.includes('\n')),
      'a finding without a line, or of several',
    );
  },
});

const units = define<string>({
  name: 'units',
  seeds: async () => ['1KiB', '512MiB', '20m', '1h', '999999999s'],
  arbitrary: (seeds) => mutatedText(seeds, ['0', '1', '9', '.', 'e', 'K', 'iB']),
  run(text) {
    for (const amount of Object.values(amounts).map(({ parse }) => parse(text)))
      must(
        amount === undefined || (Number.isSafeInteger(amount) && amount > 0),
        'an amount that is no whole number',
      );
  },
});

const workerFile = define<string>({
  name: 'worker-file',
  seeds: async () => [
    exampleWorkerFile,
    exampleWorkerFile.replace(/^# ([a-z_]+ = )/gm, '$1'),
    '[lend]\ncpus = 2\nmemory = "4GiB"\n[when]\nhours = ["20:00-08:00"]\n',
  ],
  arbitrary: (seeds) =>
    mutatedText(seeds, ['[', ']', ' = ', '"', '\n', '[lend]', '-1', '1e999', '"'.repeat(3), '{', 'inf']),
  msMax: 200,
  run(text) {
    const { rules } = parseWorkerFile(text, 'worker.toml');
    must(
      rules.hours.every(({ from, to }) => from >= 0 && from < 1440 && to >= 0 && to < 1440),
      'a time of day that is none',
    );
  },
});

const allowed = ['git.example', 'git.example:8080', '[::1]:80'];
const urls = [
  'https://git.example/app.git',
  'ssh://git@git.example/app',
  'git://git.example:8080/app',
  'git@git.example:app.git',
  'http://[::1]/a',
];
const odd = [
  '@',
  ':',
  '/',
  '\\',
  '//',
  '?',
  '#',
  '%2f',
  '%00',
  'git.example',
  'evil.example',
  '.',
  '[',
  ']',
  '0x7f.1',
  '\u3002',
  'file:',
  'ext::sh ',
  '-u',
];

const gitUrl = define<string>({
  name: 'git-url',
  seeds: async () => urls,
  arbitrary: (seeds) => mutatedText(seeds, odd),
  run(text) {
    const { href, host, protocol, port } = parseGitUrl(text);
    must(
      ['git', 'http', 'https', 'ssh'].includes(protocol) && port >= 0 && port < 65_536,
      'git would be given something else',
    );
    must(!href.startsWith('-') && !/\s/.test(href), 'git would take it for something else');
    const again = parseGitUrl(href);
    must(again.href === href && again.host === host && again.port === port, 'git would read another host');
  },
});

/** Hosts as a charter, a job or an operator names them. */
const hosts = define<string>({
  name: 'host-entry',
  seeds: async () => [...urls, 'git.example', 'a:1', '[::1]:443', '/dns4/boot.example/tcp/1/p2p/x'],
  arbitrary: (seeds) => mutatedText(seeds, odd),
  run(text) {
    for (const entry of [text, serverOf(text), ...bootstrapHost(text)]) {
      if (entry === undefined || !isHostEntry(entry)) continue;
      must(allowsHost([entry], entry), 'a host does not allow itself');
      must(
        !allowsHost(['other.example'], entry) || /^other\.example/i.test(entry),
        'another host is allowed',
      );
    }
    const server = serverOf(text);
    if (server === undefined) return;
    const { host, port } = parseGitUrl(text);
    must(server === `${host}:${port}`, `git would be sent to ${host}:${port}, not ${server}`);
  },
});

/** Two readers of one URL: the one that allows a host must mean the one that git is sent to. */
const vcs = define<string>({
  name: 'vcs-allowed',
  seeds: async () => urls,
  arbitrary: (seeds) => mutatedText(seeds, odd),
  run(text) {
    if (!vcsAllowed(allowed, text)) return;
    const { host, port } = parseGitUrl(text);
    must(
      allowed.some((entry) => entry === host || entry === `${host}:${port}`),
      `git would be sent to ${host}:${port}`,
    );
  },
});

const ref = define<string>({
  name: 'git-ref',
  seeds: async () => ['main', 'refs/heads/a/b', 'v1.2', 'a'.repeat(40)],
  arbitrary: (seeds) =>
    mutatedText(seeds, ['..', '.lock', '@{', '/', '//', '-', '^', '~', ':', '*', 'refs/']),
  run(text) {
    must(checkRef(text) === text && !text.startsWith('-'), 'git would take it for something else');
    must(!isCommitId(text) || /^[0-9a-f]+$/.test(text), 'a commit id of other digits');
  },
});

const commit = 'c0ffee'.padEnd(40, '0');
const gitScratch = new Scratch();
/** Output of git about a server's branches. */
const lsRemote = define<string>({
  name: 'git-ls-remote',
  seeds: async () => [
    `${commit}\trefs/heads/main\n`,
    `${commit}\trefs/heads/main\n${commit}\trefs/tags/main\n${commit}\trefs/tags/main^{}\n`,
  ],
  arbitrary: (seeds) => mutatedText(seeds, ['\t', '\n', 'refs/heads/main', 'refs/tags/main', '^{}', commit]),
  async run(text) {
    const file = join(await gitScratch.dir(), 'output');
    await writeFile(file, text);
    const { commit: found, ref: at } = await resolveRef('https://git.example/a', 'main', {
      wrap: () => ['/bin/cat', file],
    });
    must(
      isCommitId(found) && text.includes(found) && (at === 'refs/heads/main' || at === 'refs/tags/main'),
      'a commit that was not there',
    );
  },
  close: () => gitScratch.close(),
});

/** Characters that move a cursor, hide or turn text: none may reach a terminal. */
const harmful = /[^\P{Cc}\t]|[\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/u;

const lines = define<string>({
  name: 'terminal-lines',
  seeds: async () => [
    'plain\ntext\r\n',
    'a\tb\rc',
    '\u001b[31mred\u001b[0m\n',
    'x'.repeat(9000),
    '\u{1f600}\n',
  ],
  arbitrary: (seeds) =>
    mutatedText(seeds, ['\r', '\n', '\r\n', '\u001b[', 'm', '\u{1f600}', 'x'.repeat(8192)]),
  // Gone through five times, once in pieces of one character.
  msMax: 300,
  run(text) {
    const whole = new LineEscaper();
    const expected = [...whole.push(text), ...whole.end()];
    for (const size of [1, 7, 1000]) {
      if (text.length / size > 4_000) continue;
      const cut = new LineEscaper();
      const found: string[] = [];
      for (let at = 0; at < text.length; at += size) found.push(...cut.push(text.slice(at, at + size)));
      must([...found, ...cut.end()].join('\n') === expected.join('\n'), 'other pieces, other lines');
    }
    const asText = new LineEscaper();
    const textOf = asText.pushText(text) + asText.endText();
    must(textOf === expected.map((line) => `${line}\n`).join(''), 'another text than its lines');
    must(!expected.some((line) => harmful.test(line)), 'a line that is not harmless');
    must(!harmful.test(escapeLine(text)), 'a line that is not harmless');
    const log = new LogLines((head) => head);
    const piece = { worker: text.slice(0, 9), operator: text.slice(0, 99), slot: '1', text, times: text };
    must(
      ![...log.push(piece), ...log.end()].some((line) => harmful.test(line)),
      'a line of a log that is not harmless',
    );
    const shown = errorText(new QuorateError('WIRE_INVALID', text, { hint: text }));
    must(!shown.split('\n').some((line) => harmful.test(line)), 'an error that is not harmless');
  },
});

const logTimes = define<string>({
  name: 'log-times',
  seeds: async () => ['1+0', '1+0 12+1001 3+2000', '1+0 '.repeat(3_000).trim(), '99999999+999999999'],
  arbitrary: (seeds) => mutatedText(seeds, ['+', ' ', '-', '0', '1+1 ', '9'.repeat(9), '.']),
  run(text) {
    let [line, ms] = [0, -1];
    const times = parseLogTimes(text);
    for (const [at, later] of times) {
      must(line < at && ms <= later, 'a line or a time that goes back');
      [line, ms] = [at, later];
    }
    must(times.size <= limits.logTimesMax && ms <= limits.logTimeMsMax, 'more than a log has');
    timeOfLine(times, text.length);
  },
});

const stepNames = [
  'quorate: step ',
  '1 of 2',
  ' failed',
  ' (allowed)',
  ': exit 7',
  ': make\n',
  '\n',
  '200',
  '0',
];
const logSteps = define<string>({
  name: 'log-steps',
  seeds: async () => [
    'quorate: step 1 of 2: make\nquorate: step 1 of 2 failed (allowed): exit 1\nquorate: step 2 of 2: test\n',
    'quorate: step 1 of 1: make\nquorate: step 1 of 1 failed: exit 7 (make)\n',
    'quorate: step 1 of 1 failed: exit 7 ('.repeat(200),
  ],
  arbitrary: (seeds) => mutatedText(seeds, stepNames),
  run(text) {
    const found = new LogSteps();
    for (const [at, line] of text.split('\n').entries()) found.push(line, at + 1);
    const { steps } = found;
    must(steps.length <= limits.jobStepsMax, 'more steps than a job has');
    must(
      steps.every(({ n, line }, at) => n === at + 1 && line > (steps[at - 1]?.line ?? 0)),
      'steps in another order',
    );
  },
});

const mountinfo = `31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 25 0:28 /a /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`;
const cgroups = define<{ mountinfo: string; cgroup: string }>({
  name: 'cgroup-files',
  seeds: async () => [{ mountinfo, cgroup: '5:memory:/user\n0::/a/b\n' }],
  arbitrary: () =>
    fc.record({
      mountinfo: mutatedText([mountinfo], [' - ', ' ', '\\040', '\\777', 'cgroup2', '/..']),
      cgroup: mutatedText(['5:memory:/user\n0::/a/b\n'], [':', '/..', '::']),
    }),
  run(texts) {
    const { v1, v2 } = parseHierarchies(texts.mountinfo, texts.cgroup);
    for (const found of [...Object.values(v1), ...(v2 === undefined ? [] : [v2])]) {
      must(found.own.startsWith(found.mount), 'a group outside of its mount');
      must(
        !found.own.slice(found.mount.length).split('/').includes('..'),
        'a group that climbs out of its mount',
      );
    }
  },
});

const status = define<string>({
  name: 'driver-status',
  seeds: async () => ['ready', 'exit 0', 'exit 255', 'complete', 'setup disk'],
  arbitrary: (seeds) => mutatedText(seeds),
  run(text) {
    const read = parseStatus(text);
    must(
      read?.kind !== 'exit' || (Number.isInteger(read.code) && read.code >= 0 && read.code < 1000),
      'an exit code that is none',
    );
  },
});

const address = define<string>({
  name: 'client-address',
  seeds: async () => ['127.0.0.1', '::1', '::ffff:10.0.0.1', 'fe80::1%eth0', '2001:db8:1:2:3:4:5:6'],
  // A socket gives no longer ones.
  arbitrary: (seeds) => mutatedText(seeds, ['::', ':', '%', '.', 'ffff']).map((text) => text.slice(0, 100)),
  run(text) {
    must(
      clientOf(text).length <= text.length + 20,
      'a client that is kept under a name longer than its address',
    );
  },
});

const hostHeader = define<string>({
  name: 'host-header',
  seeds: async () => ['127.0.0.1:80', '[::1]:4711', 'localhost', 'ci.example.org', 'CI.example.org.:443'],
  arbitrary: (seeds) => mutatedText(seeds, ['[', ']', ':', '@', '.', '/', '\0']),
  run(text) {
    const names = new Set(namesIn(['https://ci.example.org', text]));
    if (isKnownHost(text, new Set()))
      must(/^(?:\[[0-9a-f:.]+\]|[0-9.]+|localhost\.?)(?::\d+)?$/i.test(text), 'a name that nobody announced');
    isKnownHost(text, names);
  },
});

const junit = define<string>({
  name: 'junit',
  seeds: async () => [
    '<testsuites><testsuite name="a"><testcase name="b" time="1"><failure message="c">d</failure></testcase></testsuite></testsuites>',
    '<testsuite><testcase><error><![CDATA[<x>]]></error></testcase><testcase><skipped/></testcase></testsuite>',
  ],
  arbitrary: (seeds) =>
    mutatedText(seeds, ['<', '/>', '<testcase ', '"', "'", '<!--', '-->', '<![CDATA[', '&#9;']),
  run(text) {
    const results = readJunit(text);
    if (results === undefined) return;
    const { total, failed, skipped, ms, failures } = results;
    must(failed + skipped <= total && failures.length <= failed && ms >= 0, 'counts that are no counts');
    for (const { suite, name, says } of failures)
      must(suite.length <= 200 && name.length <= 200 && says.length <= 400, 'a text that is too long');
  },
});

export const targets: readonly AnyTarget[] = [
  junit,
  hostHeader,
  jobFile,
  foreignJobFile,
  units,
  workerFile,
  gitUrl,
  vcs,
  hosts,
  ref,
  lsRemote,
  lines,
  logTimes,
  logSteps,
  cgroups,
  status,
  address,
];
