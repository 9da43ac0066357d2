import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { QuorateError } from '../protocol/base/errors.ts';
import { readRootArchive } from './read.ts';
import { runTool } from './tool.ts';

/** Numbers of fsync, fdatasync, sync, syncfs, sync_file_range and msync (linux/audit.h, asm/unistd.h). */
const architectures: Partial<Record<NodeJS.Architecture, { arch: number; calls: readonly number[] }>> = {
  x64: { arch: 0xc000003e, calls: [74, 75, 162, 306, 277, 26] },
  arm64: { arch: 0xc00000b7, calls: [82, 83, 81, 267, 84, 227] },
};

/** Opcodes of classic BPF (linux/filter.h), and return values of a seccomp filter: allow, or skip with result 0. */
const opcodes = { load: 0x20, jumpIfEqual: 0x15, answer: 0x06 } as const;
const answers = { allow: 0x7fff0000, done: 0x00050000 } as const;
/** Offsets in struct seccomp_data (seccomp(2)). */
const offsets = { number: 0, arch: 4 } as const;

/** Command prefix that skips sync calls, a fifth of dpkg's time, for discarded results. Empty without root or support in setpriv(1). */
export async function skipSyncPrefix(scratch: string): Promise<string[]> {
  const architecture = architectures[process.arch];
  if (architecture === undefined || process.getuid?.() !== 0) return [];
  const file = join(scratch, 'skip-sync.bpf');
  await writeFile(file, filterOf(architecture));
  const words = ['setpriv', '--seccomp-filter', file, '--'];
  try {
    await promisify(execFile)('setpriv', [...words.slice(1), 'true'], { timeout: 5_000 });
    return words;
  } catch {
    // util-linux before 2.40, or no permission.
    return [];
  }
}

function filterOf({ arch, calls }: { arch: number; calls: readonly number[] }): Buffer {
  const program = [
    { code: opcodes.load, ifNot: 0, k: offsets.arch },
    // Calls of another architecture are allowed.
    { code: opcodes.jumpIfEqual, ifNot: 1 + 2 * calls.length, k: arch },
    { code: opcodes.load, ifNot: 0, k: offsets.number },
    ...calls.flatMap((k) => [
      { code: opcodes.jumpIfEqual, ifNot: 1, k },
      { code: opcodes.answer, ifNot: 0, k: answers.done },
    ]),
    { code: opcodes.answer, ifNot: 0, k: answers.allow },
  ];
  const bytes = Buffer.alloc(8 * program.length);
  for (const [index, { code, ifNot, k }] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(ifNot, 8 * index + 3);
    bytes.writeUInt32LE(k, 8 * index + 4);
  }
  return bytes;
}

export interface DebianOptions {
  suite: string;
  include: readonly string[];
  /** URLs or lines of a sources.list(5). Empty: those of apt's configuration on this host. */
  mirrors: readonly string[];
  /** An existing, empty folder with space for the image. The caller removes it when the archive has been read. */
  scratch: string;
  onLine(line: string): void;
  signal: AbortSignal;
}

/** Folders of /usr/share that are not installed: documentation and translations, which are half of all files. */
const excluded = ['man', 'doc', 'info', 'lintian', 'locale'];

/** Folders that are emptied: they hold time stamps and mirrors, or are not needed by builds. */
const cleared = ['boot', 'var/cache', 'var/log', 'var/lib/apt', 'var/tmp'];

/** Variables that are passed on, for the source of packages. Others could influence the packages' installation scripts. */
const passed = ['TMPDIR', 'APT_CONFIG', 'http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy'];

/** Executes the command that follows with a fixed environment, so that the result does not depend on the caller. */
const fixedEnvironment = [
  'umask 022; exec env -i PATH="$PATH" SOURCE_DATE_EPOCH=0 LC_ALL=C.UTF-8 TZ=UTC',
  ...passed.map((name) => `\${${name}+${name}="$${name}"}`),
  '"$@"',
].join(' ');

/** A normalised root of Debian packages, by mmdebstrap: same packages, same tree. @throws IMAGE_NO_MIRROR, IMAGE_TOOL_MISSING, IMAGE_TOOL_FAILED */
export async function makeDebianRoot(options: DebianOptions): Promise<Readable> {
  const { suite, include, mirrors, scratch, onLine, signal } = options;
  const file = join(scratch, 'root.tar');
  const sources = mirrors.length > 0 ? [...mirrors] : await aptSources(suite, scratch);
  await runTool({
    name: 'mmdebstrap',
    command: [
      ...['sh', '-c', fixedEnvironment, 'sh', ...(await skipSyncPrefix(scratch)), 'mmdebstrap'],
      ...['--variant=essential', '--format=tar'],
      ...include.map((name) => `--include=${name}`),
      ...excluded.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      ...['--dpkgopt=path-include=/usr/share/doc/*/copyright', suite, file, ...sources],
    ],
    package: 'mmdebstrap',
    onLine,
    signal,
  });
  return readRootArchive(file, { signal, cleared });
}

async function aptSources(suite: string, scratch: string): Promise<string[]> {
  const { lines, stanzas } = await readAptSources(suite);
  if (lines.length + stanzas.length === 0)
    throw new QuorateError('IMAGE_NO_MIRROR', `apt's configuration on this host has no mirror of ${suite}`, {
      hint: 'Name one: --mirror <url>',
    });
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(scratch, name), text);
    return join(scratch, name);
  };
  return [
    ...(lines.length > 0 ? [await write('apt.list', `${lines.join('\n')}\n`)] : []),
    ...(stanzas.length > 0 ? [await write('apt.sources', `${stanzas.join('\n\n')}\n`)] : []),
  ];
}

const folder = '/etc/apt';

async function readAptSources(suite: string): Promise<{ lines: string[]; stanzas: string[] }> {
  const more = await readdir(join(folder, 'sources.list.d')).catch(() => []);
  const all = ['sources.list', ...more.sort().map((name) => join('sources.list.d', name))];
  const found = { lines: [] as string[], stanzas: [] as string[] };
  for (const name of all) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    if (name.endsWith('.list')) found.lines.push(...debianSources(text, suite, 'list'));
    if (name.endsWith('.sources')) found.stanzas.push(...debianSources(text, suite, 'deb822'));
  }
  return found;
}

/** The lines or stanzas of an apt configuration (sources.list(5)) for binary packages of a suite, its updates included. */
export function debianSources(text: string, suite: string, form: 'list' | 'deb822'): string[] {
  const wanted = [suite, `${suite}-updates`, `${suite}-security`, `${suite}/updates`];
  if (form === 'list') {
    return text.split('\n').filter((line) => {
      const [, of = ''] = /^\s*deb\s+(?:\[[^\]]*\]\s*)?\S+\s+(\S+)/.exec(line) ?? [];
      return wanted.includes(of);
    });
  }
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = fieldsOf(stanza);
    const of = (name: string): string[] => (fields.get(name)?.value ?? '').trim().split(/\s+/);
    const suites = of('suites').filter((one) => wanted.includes(one));
    if (!of('types').includes('deb') || suites.length === 0 || of('enabled')[0] === 'no') return [];
    fields.set('types', { name: 'Types', value: ' deb' });
    fields.set('suites', { name: 'Suites', value: ` ${suites.join(' ')}` });
    return [[...fields.values()].map(({ name, value }) => `${name}:${value}`).join('\n')];
  });
}

/** The fields of a deb822 stanza by lower-case name, continuation lines included. */
function fieldsOf(stanza: string): Map<string, { name: string; value: string }> {
  const fields = new Map<string, { name: string; value: string }>();
  let last: { name: string; value: string } | undefined;
  for (const line of stanza.split('\n').filter((one) => !one.startsWith('#'))) {
    const [, name, value = ''] = /^([A-Za-z-]+):(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      last = { name, value };
      fields.set(name.toLowerCase(), last);
    } else if (last !== undefined && /^\s+\S/.test(line)) last.value += `\n${line}`;
  }
  return fields;
}
