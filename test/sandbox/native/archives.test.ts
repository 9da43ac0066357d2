import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { joinArchives } from '../../../sandbox/archive.ts';
import { nativeProgram } from '../../../sandbox/native/index.ts';
import { workEntries } from '../../../sandbox/run/driver.ts';
import { profileValues } from '../../../sandbox/run/profile.ts';
import { tarOf } from '../support.ts';
import { contentOf, end, extended, file, gnuPack, header, runNative, scratch, summed } from './support.ts';

const [UNPACKED, FAILED, CUT] = [0, 2, 4];
const long = 'n'.repeat(180);

/** A tree with all that an output may hold. */
function tree(): string {
  const folder = scratch();
  const at = (...names: string[]) => join(folder, ...names);
  mkdirSync(at('d', 'empty'), { recursive: true });
  mkdirSync(at(long));
  for (const name of ['b', 'a', 'a-b', 'a.b', 'B', 'ü', '0']) writeFileSync(at('d', name), name.repeat(700));
  writeFileSync(at(long, long), 'x'.repeat(512));
  writeFileSync(at('none'), '');
  writeFileSync(at('sparse'), '');
  truncateSync(at('sparse'), 3_000_000);
  symlinkSync(`../${'t'.repeat(150)}`, at('d', 'far'));
  symlinkSync('a', at('d', 'near'));
  linkSync(at('d', 'a'), at('hard'));
  chmodSync(at('d', 'b'), 0o750);
  chmodSync(at('d', 'empty'), 0o500);
  return folder;
}

/** All of a folder that a build can see: permissions, sizes, times, targets. */
const listed = (folder: string): string =>
  execFileSync('find', ['.', '-mindepth', '1', '-printf', '%p %y %m %s %Ts %l %n\\n'], {
    cwd: folder,
    encoding: 'utf8',
  })
    .split('\n')
    // Of a folder the size is the file system's.
    .map((line) => line.replace(/^(.*) d (\d+) \d+ /, '$1 d $2 '))
    .sort()
    .join('\n');

it('there is one for this processor', () => {
  expect(nativeProgram()).toMatch(/native-(x64|arm64)$/);
});

describe('outputs are packed', () => {
  it.each([[['.']], [['d', 'hard']], [['d/a', `${long}/${long}`, 'none']]])(
    'to the bytes of GNU tar: %s',
    (paths) => {
      const folder = tree();
      const ours = runNative(['pack', ...paths], undefined, folder);
      expect([ours.code, ours.said]).toEqual([0, '']);
      const theirs = execFileSync('tar', [...gnuPack, ...paths], { cwd: folder, maxBuffer: 2 ** 25 });
      // Names of extended headers differ, so what follows them is compared by what they unpack to.
      const [here, there] = [scratch(), scratch()];
      execFileSync('tar', ['-x', '-p', '-f', '-'], { cwd: here, input: ours.out });
      execFileSync('tar', ['-x', '-p', '-f', '-'], { cwd: there, input: theirs });
      // Folders that are not in the archive have the time at which they were made.
      for (const path of paths.filter((one) => one.includes('/')))
        for (const unpacked of [here, there]) utimesSync(join(unpacked, dirname(path)), 0, 0);
      expect(listed(here)).toBe(listed(there));
      expect(execFileSync('tar', ['-t', '-f', '-'], { input: ours.out })).toEqual(
        execFileSync('tar', ['-t', '-f', '-'], { input: theirs }),
      );
      if (paths.includes('d/a') || paths.includes('.')) return;
      expect(ours.out.length).toBeLessThanOrEqual(theirs.length);
    },
  );

  it('to the very bytes of GNU tar where no name is long', () => {
    const folder = scratch();
    mkdirSync(join(folder, 'd'));
    for (const name of ['b', 'a', 'd/x']) writeFileSync(join(folder, name), `${name}\n`);
    symlinkSync('a', join(folder, 'link'));
    const theirs = execFileSync('tar', ['-b', '1', ...gnuPack, '.'], { cwd: folder });
    expect(runNative(['pack', '.'], undefined, folder).out.equals(theirs)).toBe(true);
  });

  it('and what cannot be read, or is not there, is said and fails', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'there'), 'x');
    const ran = runNative(['pack', 'gone', 'there'], undefined, folder);
    expect([ran.code, ran.said]).toEqual([1, 'quorate: cannot stat gone: No such file or directory\n']);
    expect(execFileSync('tar', ['-t', '-f', '-'], { input: ran.out, encoding: 'utf8' })).toBe('there\n');
  });

  it('deeper than a path is long, and with names in any order', () => {
    const folder = scratch();
    const script = 'for (1..1100) { mkdir "abcd" and chdir "abcd" or die } open F, ">$_" for reverse 1..300';
    execFileSync('perl', ['-e', script], { cwd: folder });
    const ran = runNative(['pack', '.'], undefined, folder);
    expect([ran.code, ran.said]).toEqual([0, '']);
    const names = execFileSync('tar', ['-t', '-f', '-'], {
      input: ran.out,
      encoding: 'utf8',
      maxBuffer: 2 ** 25,
    });
    expect(names).toBe(
      execFileSync('tar', ['-t', '-f', '-'], {
        input: execFileSync('tar', [...gnuPack, '.'], { cwd: folder, maxBuffer: 2 ** 25 }),
        encoding: 'utf8',
        maxBuffer: 2 ** 25,
      }),
    );
    execFileSync('rm', ['-rf', 'abcd'], { cwd: folder });
  });
});

describe('source and inputs are unpacked', () => {
  const joined = (entries: Parameters<typeof tarOf>[0]): Promise<Buffer> =>
    buffer(joinArchives([{ folder: 'src', tar: tarOf(entries) }], workEntries(profileValues, false)));

  it('as GNU tar unpacks them, with permissions and times', async () => {
    const mtime = new Date(1_700_000_000_000);
    const tar = await joined([
      { name: './', type: 'directory', mode: 0o755, mtime },
      { name: 'run', content: '#!/bin/sh\n', mode: 0o755, mtime },
      { name: 'closed/', type: 'directory', mode: 0o500, mtime },
      { name: 'closed/x', content: 'x'.repeat(100_000), mode: 0o444, mtime },
      { name: `${long}/${long}/${long}`, content: 'deep', mtime },
      { name: 'ü', content: 'ü', mtime },
      { name: 'alias', type: 'symlink', linkname: 'closed/x', mtime },
      { name: 'far', type: 'symlink', linkname: `../${'t'.repeat(150)}`, mtime },
      { name: 'hard', type: 'link', linkname: 'closed/x', mtime },
      { name: 'twice', content: 'first', mtime },
      { name: 'twice', content: 'second', mtime },
    ]);
    const ours = runNative(['unpack'], tar);
    expect([ours.code, ours.said]).toEqual([UNPACKED, '']);
    const theirs = scratch();
    execFileSync('tar', ['-x', '-p', '-f', '-', '--no-same-owner'], { cwd: theirs, input: tar });
    const given = (text: string) =>
      text
        .split('\n')
        // Folders that the archive does not name have the time of the test.
        .filter((line) => !new RegExp(`^./src/${long}(/${long})? d`).test(line))
        .join('\n');
    expect(given(listed(ours.folder))).toBe(given(listed(theirs)));
    expect(readFileSync(join(ours.folder, 'src', 'twice'), 'utf8')).toBe('second');
  });

  it.each([
    ['is absolute', file('/src/x', 'x')],
    ['goes up', file('src/../../x', 'x')],
    ['is nothing', header({ name: '', type: '5' })],
    ['is the folder itself', header({ name: './', type: '5' })],
    ['goes up in an extended header', Buffer.concat([extended({ path: '../x' }), file('src/x', 'x')])],
    [
      'is over a link that it made',
      Buffer.concat([header({ name: 'l', type: '2', link: '../outside' }), file('l/x', 'x')]),
    ],
    [
      'is over a link to a folder inside',
      Buffer.concat([
        header({ name: 'd', type: '5' }),
        header({ name: 'l', type: '2', link: 'd' }),
        file('l/x', 'x'),
      ]),
    ],
    ['links to a file outside', header({ name: 'h', type: '1', link: '../../../../etc/passwd' })],
    ['links to a file at the top', header({ name: 'h', type: '1', link: '/etc/passwd' })],
  ])('and nothing leaves the folder: a path that %s', (_, entries) => {
    const folder = scratch();
    for (const name of ['inside', 'outside']) mkdirSync(join(folder, name));
    const ran = runNative(['unpack'], Buffer.concat([entries, end]), join(folder, 'inside'));
    expect(ran.code).toBe(FAILED);
    expect(ran.said).toMatch(/^quorate: /);
    expect([readdirSync(folder).sort(), readdirSync(join(folder, 'outside'))]).toEqual([
      ['inside', 'outside'],
      [],
    ]);
  });

  it('a link that stands where a file comes is replaced, not followed', () => {
    const target = join(scratch(), 'target');
    writeFileSync(target, 'untouched');
    const ran = runNative(
      ['unpack'],
      Buffer.concat([header({ name: 'f', type: '2', link: target }), file('f', 'new'), end]),
    );
    expect(ran.code).toBe(UNPACKED);
    expect(readFileSync(target, 'utf8')).toBe('untouched');
    expect(readFileSync(join(ran.folder, 'f'), 'utf8')).toBe('new');
  });

  it.each([
    ['devices', header({ name: 'd', type: '3' })],
    ['pipes', header({ name: 'p', type: '6' })],
    ['what no tar has', header({ name: 'p', type: 'Z' })],
    ['a header with another sum', Buffer.from(header({ name: 'f' })).fill('x', 0, 1)],
    ['a size that is none', header({ name: 'f', size: 'hello world ' })],
    ['a negative size', summed(Buffer.from(header({ name: 'f' })).fill(0xff, 124, 136))],
    [
      'a size beyond all',
      summed(
        Buffer.from(header({ name: 'f' }))
          .fill(0xff, 125, 136)
          .fill(0x80, 124, 125),
      ),
    ],
    [
      'an extended header without a length',
      Buffer.concat([header({ name: 'x', type: 'x', size: 9 }), contentOf('path=../x')]),
    ],
    [
      'an extended header that is longer than it is',
      Buffer.concat([header({ name: 'x', type: 'x', size: 9 }), contentOf('99 path=x')]),
    ],
    [
      'an extended header of length 0',
      Buffer.concat([header({ name: 'x', type: 'x', size: 10 }), contentOf('0 path=xx\n')]),
    ],
    ['an extended header without end', header({ name: 'x', type: 'x', size: 1_000_000_000 })],
    ['a name with a NUL', Buffer.concat([extended({ path: 'a\0b' }), file('f', '')])],
    ['a name beyond all', Buffer.concat([extended({ path: 'a'.repeat(70_000) }), file('f', '')])],
  ])('and %s are refused', (_, entries) => {
    expect(runNative(['unpack'], Buffer.concat([entries, end])).code).toBe(FAILED);
  });

  it('and a stream that breaks off anywhere is seen', () => {
    const whole = Buffer.concat([file('a', 'x'.repeat(1000)), extended({ path: long }), file('b', 'y')]);
    for (const bytes of [0, 1, 511, 512, 600, 1535, 1536, 2100, 2560, 3000, whole.length])
      expect([bytes, runNative(['unpack'], whole.subarray(0, bytes)).code]).toEqual([bytes, CUT]);
  });

  it('with no more rights than 0777 and a sticky folder', () => {
    const ran = runNative(
      ['unpack'],
      Buffer.concat([
        header({ name: 'f', mode: '0006755' }),
        header({ name: 't', type: '5', mode: '0001777' }),
        end,
      ]),
    );
    expect(statSync(join(ran.folder, 'f')).mode & 0o7777).toBe(0o755);
    expect(statSync(join(ran.folder, 't')).mode & 0o7777).toBe(0o1777);
  });
});
