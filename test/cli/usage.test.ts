import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Command, Option } from 'commander';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { isDaemon } from '../../src/terminal/daemon-options.ts';
import { folder, quorate, quorateProcess } from './support.ts';

const exec = promisify(execFile);
const verbs = [
  'init',
  'up',
  'controller',
  'invite',
  'revoke',
  'image',
  'try',
  'plan',
  'run',
  'jobs',
  'show',
  'logs',
  'cancel',
  'join',
  'key',
  'login',
  'charter',
  'doctor',
  'fetch',
  'verify',
  'page',
  'export',
  'sbom',
  'version',
];
const peer = '12D3KooWPwh5EADxnN1KXQFTrmGAXycZqZRVKHG7wcx7mczYTDRk';
const witnessKey = `w.example+0a1b2c3d+B${'A'.repeat(43)}`;
const artifact = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';

/** Heading and text of each part of the page. */
const sections = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'cli.md'), 'utf8')
  .split(/^### /m)
  .slice(1)
  .map((part): [string, string] => [part.slice(0, part.indexOf('\n')), part]);

describe('wrong usage exits 2 and says what is wrong', () => {
  it.concurrent.each<[line: string, says: RegExp]>([
    ['inti', /unknown command 'inti'[\s\S]*hint: Did you mean init\?/],
    ['--jsno', /unknown option '--jsno'[\s\S]*hint: Did you mean --json\?/],
    ['init extra', /too many arguments/],
    ['init --vcs https://git.example.org', /Give a host, or host and port/],
    ['init --name a\\ b', /Use letters, digits/],
    ['charter set --vcs 127.0.0.1:99999', /Give a host, or host and port/],
    ['charter set --vcs 127.0.0.1:0', /Give a host, or host and port/],
    [
      'status',
      /unknown command 'status'[\s\S]*hint: Did you mean jobs, controller status, .*worker status\?/,
    ],
    ['build', /hint: Did you mean run, image build\?/],
    ['start', /hint: Did you mean up\?/],
    ['worker start', /unknown command 'start'[\s\S]*hint: Did you mean stats?\w*\?|Add --help/],
    ['controller stat', /unknown command 'stat'[\s\S]*hint: Did you mean status\?/],
    ['watch exampl', /unknown command 'exampl'[\s\S]*hint: Did you mean example\?/],
    ['controller status extra', /too many arguments for 'status'/],
    ['lock a b', /LOCK_UNSUPPORTED/],
    ['charter set', /say what to change/],
    ['charter set --witness w.example', /Give the verifier key that the witness tells/],
    [`charter set --witness ${witnessKey} --no-witnesses`, /or else --no-witnesses/],
    [
      `charter set --witness ${witnessKey} --witnesses-needed 2`,
      /is more than the witnesses that --witness names/,
    ],
    ['charter set --witnesses-needed 1', /is more than the witnesses that --witness names/],
    ['charter set --vcs a --any-vcs', /say which servers source may come from/],
    ['charter set --vcs a', /PROJECT_NOT_FOUND/],
    ['charter set --vcs git.example..org', /Give a host, or host and port[\s\S]*no URL/],
    ['charter set --vcs any', /Give a host, or host and port/],
    ['controller --connections 0', /Give a whole number from 32 to 8000/],
    ['store serve --connections 8001', /Give a whole number from 16 to 8000/],
    ['worker allow any', /Give a host, or host and port[\s\S]*not "any"/],
    ['worker allow https://git.example', /Give a host, or host and port[\s\S]*no URL/],
    ['charter set --floor 1/2', /Twice 1 must exceed 2/],
    ['init --test-floor 2of3', /Give it as 2\/3\+cosign/],
    ['init --nmae x', /unknown option '--nmae'[\s\S]*Did you mean --name\?/],
    ['controller --listen 127.0.0.1:80', /Give an address such as/],
    ['controller --slot-wait soon', /Give a time such as/],
    ['controller --http 8080', /Give host and port/],
    ['controller --http 0.0.0.0:99999', /A port is a number from 0 to 65535/],
    ['up --http [::1]:123456', /A port is a number from 0 to 65535/],
    ['up --http x_y:99999', /Give host and port/],
    ['controller --http-announce ftp://x', /Give a URL such as/],
    ['controller --http-announce http://x', /only --http starts/],
    ['controller --sign-in x', /only --http starts/],
    ['controller', /PROJECT_NOT_FOUND[\s\S]*quorate init/],
    ['up --operators 9', /Give a whole number from 1 to 8/],
    ['up', /SOURCE_NO_REPOSITORY[\s\S]*git init/],
    ['invite', /missing required argument 'operator'/],
    ['invite a --role boss', /Allowed choices are worker, trusted-worker, publisher, reader/],
    ['invite a --hosts 0', /Give a whole number/],
    ['invite a --expires 90d', /at most 30 d/],
    ['invite a/b', /cannot be an operator's name/],
    ['invite a --key nonsense', /KEY_INVALID/],
    ['invite a', /PROJECT_NOT_FOUND/],
    ['image build --include ,', /Give names of packages/],
    ['image build --suite ../x', /a suite is a name/],
    ['image build --mirror -x', /argument missing|a mirror a URL/],
    ['image import', /missing required argument 'path'/],
    ['image import absent', /IMAGE_NOT_FOUND/],
    ['image import x --arch z80', /Allowed choices are x86_64, aarch64/],
    ['image remove nonsense', /not the CID of an image/],
    [`image remove ${artifact}`, /IMAGE_UNKNOWN/],
    ['try --file absent.yaml', /--file: \/.*absent.yaml is no file/],
    ['plan . extra', /too many arguments/],
    ['plan', /SOURCE_NO_REPOSITORY/],
    ['plan --ref -x', /argument missing|SOURCE_/],
    ['run . extra', /too many arguments/],
    ['run --until someday', /Allowed choices are agreed, trusted/],
    ['run --failed --rebuild', /--failed keeps what is trusted[\s\S]*Give one of them/],
    ['run', /MEMBERSHIP_NOT_FOUND[\s\S]*quorate join <ticket>/],
    ['jobs extra', /too many arguments/],
    ['jobs', /MEMBERSHIP_NOT_FOUND/],
    ['show', /missing required argument 'job'/],
    ['logs', /missing required argument 'job'/],
    ['logs x --worker', /argument missing/],
    ['cancel x', /MEMBERSHIP_NOT_FOUND\]: you are in no project/],
    ['cancel x --reason y', /MEMBERSHIP_NOT_FOUND/],
    ['join nonsense --yes', /TICKET_MALFORMED/],
    ['join quorate9.abc --yes', /TICKET_UNKNOWN_VERSION/],
    ['join --memory lots', /Give a size such as/],
    ['join --tier gviser', /Did you mean gvisor\? There is: vm, vm-emulated, gvisor, namespace/],
    ['worker limits --up fast', /Give bytes a second such as/],
    ['worker limits --up 1KiB/s', /at least 16KiB\/s/],
    ['worker limits --time soon', /Give a time such as/],
    ['worker limits --priority high', /Allowed choices are low, idle/],
    ['join', /MEMBERSHIP_NOT_FOUND/],
    ['key extra', /too many arguments/],
    ['charter set', /PROJECT_NOT_FOUND|say what to change[\s\S]*hint: quorate charter set --vcs/],
    ['watch --file absent.toml', /MEMBERSHIP_NOT_FOUND|WATCH_FILE_UNREADABLE/],
    ['login', /say where/],
    ['login --page http://ci.example.org', /LOGIN_URL_INVALID/],
    ['login --page https://ci.example.org', /MEMBERSHIP_NOT_FOUND/],
    ['login --token https://ci.example.org', /quorate login --issuer https/],
    ['doctor extra', /too many arguments/],
    [`fetch ${artifact}`, /required option '-o, --output <folder>' not specified/],
    ['fetch nonsense -o x', /not the CID of an artifact/],
    [`fetch ${artifact.slice(0, -2)} -o x`, /not the CID of an artifact[\s\S]*mistyped or cut off/],
    [`diff ${artifact} ${artifact}q`, /neither the CID[\s\S]*mistyped or cut off/],
    [`fetch ${artifact} -o x`, /MEMBERSHIP_NOT_FOUND/],
    [`fetch ${artifact} -o .. --project ${peer}`, /CLI_FOLDER_NOT_EMPTY/],
    [`export b --cosign -o /dev/null --project ${peer}`, /CLI_FOLDER_NOT_EMPTY/],
    ['verify x --project p', /required option '--bundle <file>' not specified/],
    ['verify x --bundle b', /required option '--project <id>' not specified/],
    ['worker page --listen 0.0.0.0:0', /not a loopback address/],
    ['verify x --bundle b --project nonsense', /KEY_INVALID/],
    [`verify x --bundle absent --project ${peer}`, /CLI_FILE_UNREADABLE/],
    [`verify x --bundle /dev/zero --project ${peer}`, /CLI_FILE_UNREADABLE/],
    [`verify x --bundle b --project ${peer} --recipe tool.yaml`, /Give the URL of a repository/],
    [`verify x --bundle b --project ${peer} --max-age old`, /Give a time such as/],
    [
      `fetch ${artifact} -o x --project ${peer} --bootstrap /ip4/127.0.0.1/tcp/9 --reports --index-out y`,
      /--index-out goes with/,
    ],
    [`export b --project ${peer} -o x`, /say for which tool/],
    [`export b --project ${peer} -o x --cosign --index i`, /--index goes with --provenance/],
    ['page', /required option '--bundles <folder>' not specified/],
    [`page --bundles absent --project ${peer}`, /CLI_FILE_UNREADABLE[\s\S]*fetch --bundle-out/],
    ['sbom', /missing required argument 'artifact'/],
    [`sbom ${artifact.slice(0, -2)}`, /CLI_FILE_UNREADABLE[\s\S]*mistyped or cut off/],
    [`sbom absent --project ${peer}`, /CLI_FILE_UNREADABLE/],
    [`sbom ${artifact} --index absent`, /CLI_FILE_UNREADABLE/],
    [`sbom ${artifact}`, /MEMBERSHIP_NOT_FOUND/],
    ['version extra', /too many arguments/],
  ])('quorate %s', async (line, says) => {
    const { code, out, err } = await quorate(line.split(' '), { cwd: folder() });
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^error\[[A-Z_]+\]: /);
    expect(err).toMatch(says);
    expect(err).not.toMatch(/\n\s+at /);
  });
});

it('quorate fetch does nothing where the evidence could not be kept', async () => {
  const cwd = folder();
  const where = ['--project', peer, '--bootstrap', `/ip4/127.0.0.1/tcp/9/p2p/${peer}`];
  const args = ['fetch', artifact, '-o', 'x', ...where, '--bundle-out', 'absent/b'];
  const { code, err } = await quorate(args, { cwd });
  expect(code).toBe(3);
  expect(err).toMatch(/^error\[CLI_FILE_UNWRITABLE\]: cannot write .*absent\/b: ENOENT.*\nhint: /);
  expect(readdirSync(cwd)).toEqual([]);
});

describe('with --json', () => {
  it.concurrent.each([
    ['inti --json', 'CLI_USAGE'],
    ['--json invite', 'CLI_USAGE'],
    ['join nonsense --json', 'TICKET_MALFORMED'],
    ['jobs --json', 'MEMBERSHIP_NOT_FOUND'],
  ])('quorate %s prints the error as JSON on standard output', async (line, code) => {
    const ended = await quorateProcess(line.split(' '), { cwd: folder() });
    expect(ended).toMatchObject({ code: 2, err: '' });
    expect(JSON.parse(ended.out)).toMatchObject({ error: { code, message: expect.any(String) } });
  });
});

describe('help', () => {
  it.concurrent.each(verbs)('quorate %s --help has an example and fits 80 columns', async (verb) => {
    const { code, out, err } = await quorate([verb, '--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(new RegExp(`Examples?:\\n  \\$ quorate ${verb}`));
    const prose = out.slice(0, out.indexOf('\nExample')).split('\n');
    expect(prose.filter((line) => line.length > 80)).toEqual([]);
  });

  const optionsOf = (command: Command): Option[] => [
    ...command.options,
    ...command.commands.flatMap(optionsOf),
  ];
  const allOptions = optionsOf(createProgram(new AbortController().signal, () => {}));

  it('tells no default as JSON of an object', () => {
    const objects = allOptions.filter(
      ({ defaultValue, defaultValueDescription }) =>
        defaultValueDescription === undefined &&
        typeof defaultValue === 'object' &&
        !Array.isArray(defaultValue),
    );
    expect(objects.map(({ flags }) => flags)).toEqual([]);
  });

  it('tells the default of a time with its unit', () => {
    const times = allOptions.filter(({ flags }) => flags.includes('<time>'));
    expect(times.length).toBeGreaterThan(5);
    for (const { flags, defaultValue, defaultValueDescription } of times)
      if (defaultValue !== undefined) expect(defaultValueDescription, flags).toMatch(/^\d+[smhd]$/);
  });

  it.concurrent.each(sections)('docs/cli.md on %s names the options there are', async (heading, section) => {
    const named = [...heading.matchAll(/quorate ([a-z-]+(?: [a-z][a-z-]*)*)/g)].map(([, verb = '']) => verb);
    const pages = await Promise.all(named.map((verb) => quorate([...verb.split(' '), '--help'])));
    const options = pages.flatMap(({ out }) => {
      const own = out.slice(0, out.indexOf('Global Options:'));
      return [...own.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option = '']) => option);
    });
    const rows = section.split('\n').filter((line) => line.startsWith('| `'));
    const documented = rows.flatMap((row) => (row.split(' | ')[0] ?? '').match(/--[a-z-]+/g) ?? []);
    expect(new Set(documented)).toEqual(new Set(options.filter((option) => option !== '--help')));
  });

  it.concurrent.each([[[]], [['--help']], [['help']]])('quorate %j lists every command', async (args) => {
    const { code, out } = await quorate(args);
    expect(code).toBe(0);
    for (const verb of verbs) expect(out).toMatch(new RegExp(`^  ${verb}\\b`, 'm'));
  });

  it.concurrent('loads nothing of the runtime', async () => {
    const bin = join(import.meta.dirname, '..', '..', 'bin', 'quorate.js');
    const env = { ...process.env, NODE_DEBUG: 'esm' };
    const { stderr: err } = await exec(process.execPath, [bin, '--help'], { env, maxBuffer: 1e8 });
    expect(err).toContain('src/cli/program.ts');
    expect(err).not.toMatch(/src\/(node|mesh|store|[a-z-]+\/node)\/|node_modules\/(libp2p|helia|zod)\//);
  });
});

describe('a command that goes on running', () => {
  /** Flags of V8 that a process sets. */
  async function flagsSet(...args: string[]): Promise<string> {
    const dir = folder();
    const preload = join(dir, 'flags.cjs');
    const told = "v8.setFlagsFromString = (flag) => process.stderr.write('flag ' + flag + '\\n');";
    await writeFile(preload, `const v8 = require('node:v8');\n${told}\n`);
    const { err } = await quorateProcess(args, { cwd: dir, env: { NODE_OPTIONS: `--require=${preload}` } });
    expect(err).toContain('PROJECT_NOT_FOUND');
    return err;
  }

  it.concurrent('bounds the heap of its process', async () => {
    expect(await flagsSet('controller')).toContain('flag --heap-growing-percent');
  });

  it.concurrent('leaves that of one that looks at it alone', async () => {
    expect(await flagsSet('controller', 'status')).not.toContain('flag ');
  });

  it('is each of these', () => {
    const named = (command: Command, name: string): [string, Command][] => [
      [name, command],
      ...command.commands.flatMap((one) => named(one, `${name} ${one.name()}`)),
    ];
    const all = named(
      createProgram(new AbortController().signal, () => {}),
      'quorate',
    );
    expect(all.filter(([, command]) => isDaemon(command)).map(([name]) => name)).toEqual([
      'quorate up',
      'quorate controller',
      'quorate idp',
      'quorate join',
      'quorate store serve',
    ]);
  });
});

describe('version', () => {
  it.concurrent('says the same in each form', async () => {
    const [flag, verb, json] = await Promise.all([
      quorateProcess(['--version']),
      quorate(['version']),
      quorate(['version', '--json']),
    ]);
    const version = flag.out.trim();
    expect(version).toMatch(/^\d+\.\d+\.\d+/);
    expect(verb.out).toContain(`quorate ${version} `);
    expect(JSON.parse(json.out)).toEqual({ version, node: process.version.slice(1) });
  });
});

it('quorate invite --help says that clocks may differ', async () => {
  expect((await quorate(['invite', '--help'])).out.replace(/\s+/g, ' ')).toContain(
    'a minute more for clocks that differ',
  );
});

it('next steps name commands that there are', () => {
  const src = join(import.meta.dirname, '..', '..', 'src');
  const known = new Set(
    createProgram(new AbortController().signal, () => {}).commands.map((command) => command.name()),
  );
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.tsx?$/.test(file),
  );
  const unknown = files.flatMap((file) =>
    [...readFileSync(join(src, file), 'utf8').matchAll(/[:`(] ?quorate ([a-z]+)/g)].flatMap(
      ([, word = '']) => (known.has(word) ? [] : [`${file}: quorate ${word}`]),
    ),
  );
  expect(unknown).toEqual([]);
});
