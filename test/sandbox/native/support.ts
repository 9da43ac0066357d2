import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { nativeProgram } from '../../../sandbox/native/index.ts';

/** The output of a mode of the program for its input, in a new folder. */
export interface NativeRun {
  folder: string;
  code: number | null;
  signal: string | null;
  said: string;
  out: Buffer;
}

/** A folder that goes with the test. */
export function scratch(): string {
  const folder = mkdtempSync('/var/tmp/quorate-native-');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function runNative(words: string[], input: Uint8Array = new Uint8Array(), cwd = scratch()): NativeRun {
  return runProgram(nativeProgram() ?? 'none', words, input, cwd);
}

export function runProgram(file: string, words: string[], input: Uint8Array, cwd: string): NativeRun {
  const ran = spawnSync(file, words, { cwd, input, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 });
  const said = ran.stderr?.toString('latin1') ?? String(ran.error);
  return { folder: cwd, code: ran.status, signal: ran.signal, said, out: ran.stdout };
}

/** Options of GNU tar, whose archives the program's are compared with. */
export const gnuPack = [
  ...['-c', '-f', '-', '--format=posix', '--pax-option=delete=atime,delete=ctime', '--sort=name'],
  ...['--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--hard-dereference', '--'],
];

/** A header of POSIX.1-1988, with its sum. */
export function header(fields: {
  name: string | Buffer;
  type?: string;
  size?: number | string;
  mode?: string;
  link?: string;
  prefix?: string;
  mtime?: string;
}): Buffer {
  const block = Buffer.alloc(512);
  const {
    name,
    type = '0',
    size = 0,
    mode = '0000644',
    link = '',
    prefix = '',
    mtime = '00000000000',
  } = fields;
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write(`${mode}\0`, 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(typeof size === 'string' ? size : `${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write(`${mtime}\0`, 136);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write('ustar\0' + '00', 257);
  block.write(prefix, 345, 155);
  return summed(block);
}

/** The same block with its sum made right. */
export function summed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

export const contentOf = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
};

export const file = (name: string, text: string): Buffer =>
  Buffer.concat([header({ name, size: Buffer.byteLength(text) }), contentOf(text)]);

/** An extended header of POSIX.1-2001. */
export function extended(records: Record<string, string>): Buffer {
  const body = Object.entries(records)
    .map(([key, value]) => {
      const rest = Buffer.byteLength(` ${key}=${value}\n`);
      let all = rest + 1;
      while (String(all).length + rest !== all) all = String(all).length + rest;
      return `${all} ${key}=${value}\n`;
    })
    .join('');
  return Buffer.concat([header({ name: 'pax', type: 'x', size: Buffer.byteLength(body) }), contentOf(body)]);
}

export const end = Buffer.alloc(1024);
