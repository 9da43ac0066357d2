import { describe, expect, it } from 'vitest';
import { exampleFrom, exampleJobFile, parseJobFile } from '../../src/jobfile/index.ts';
import { editDistance, nearestWord } from '../../src/protocol/base/nearest-word.ts';

const jobOf = (names: string[], text?: string) =>
  parseJobFile(exampleJobFile(names, text), 'quorate.yaml').jobs[0];
const runOf = (names: string[], text?: string) => jobOf(names, text)?.run;

describe('the example job file', () => {
  it.each([['Makefile'], ['package.json'], ['README.md']])('beside %s says what the defaults say', (name) => {
    const written = jobOf([name]);
    const [bare] = parseJobFile('jobs: {build: {run: [x]}}', 'quorate.yaml').jobs;
    expect({ ...written, run: [], env: {} }).toEqual({ ...bare, run: [], env: {} });
    expect(written?.run.join('\n')).toContain('$OUT');
  });

  it('is chosen by what lies in the folder', () => {
    expect(exampleFrom(['README.md', 'Makefile', 'package.json'])).toBe('Makefile');
    expect(exampleFrom(['package.json'])).toBe('package.json');
    expect(exampleFrom([])).toBeUndefined();
  });

  it.each([
    [
      'all: hello\n\ninstall: hello\n\tinstall -D hello $(DESTDIR)/usr/bin/hello\n',
      'make install DESTDIR=$OUT',
    ],
    ['PREFIX ?= /usr\nuninstall install: all\n\tcp x $(PREFIX)/bin\n', 'make install PREFIX=$OUT'],
    ['include rules.mk\n', 'make install DESTDIR=$OUT'],
    ['hello: hello.c\n\tcc -o $@ $<\n', 'cp --parents hello $OUT'],
    ['.PHONY: first\nPROG = bin/hi\nfirst: $(PROG) doc.md x.o\n$(PROG): x.c\n', 'cp --parents bin/hi $OUT'],
    ['all: a b\\\n c\n# install: no\ninstall := x\n', 'cp --parents a b c $OUT'],
    ['%.o: %.c\n\tinstall: x\n', 'cp --parents FILES-THAT-IT-MAKES $OUT'],
    ["all: '; rm -rf /' $(shell id)\n", 'cp --parents FILES-THAT-IT-MAKES $OUT'],
  ])('of a Makefile %j ends with %s', (text, last) => {
    expect(runOf(['Makefile'], text)).toEqual(['make', last]);
  });

  it.each([
    [['setup.py'], '', true],
    [['setup.py', 'pyproject.toml'], '', true],
    [['pyproject.toml'], '[build-system]\nrequires = []\n', true],
    [['pyproject.toml'], '# a\n[project]\nname = "a"\n', true],
    // Settings of tools alone.
    [['pyproject.toml'], '[tool.black]\nx = "[project]"\n', false],
  ])('beside %j with %j makes a wheel: %s', (names, text, isWheel) => {
    const wheel = 'pyproject-build --wheel --no-isolation --outdir $OUT';
    expect(runOf(names, text)).toEqual([isWheel ? wheel : './build.sh $OUT']);
  });

  it('of a package says that npm leaves out a folder that is made and ignored', () => {
    const about = { name: 'a', version: '1.0.0', scripts: { build: 'x' } };
    const text = (names: string[], more: object, ignored: string) =>
      exampleJobFile(['package.json', ...names], JSON.stringify({ ...about, ...more }), ignored);
    const says = expect.stringContaining('# npm pack leaves out dist/, which .gitignore names');
    expect(text([], {}, 'node_modules\r\n/dist/\r\n')).toEqual(says);
    expect(parseJobFile(text([], {}, 'dist\n'), 'quorate.yaml').jobs[0]?.run).toEqual([
      'npm run build',
      'npm pack --pack-destination $OUT',
    ]);
    for (const [names, more, ignored] of [
      [[], { files: ['dist'] }, 'dist\n'],
      [['.npmignore'], {}, 'dist\n'],
      [[], { scripts: {} }, 'dist\n'],
      [[], {}, 'distant\n!dist\n'],
    ] as const)
      expect(text([...names], more, ignored)).not.toEqual(says);
  });

  it('of a Makefile is guessed in time that does not grow with its square', () => {
    for (const line of [
      'a '.repeat(120_000),
      '$(A'.repeat(80_000),
      'x:'.repeat(120_000),
      'A=$(A)\n'.repeat(30_000),
    ])
      expect(runOf(['Makefile'], line)).toHaveLength(2);
  });

  it.each([
    [[], { name: 'a', version: '1.0.0' }, ['npm pack --pack-destination $OUT']],
    [[], { name: 'a', version: '1.0.0', scripts: { build: 'tsc' } }, ['npm run build', expect.any(String)]],
    [
      [],
      { name: 'a', version: '1.0.0', scripts: { build: 'x', prepack: 'npm run build' } },
      [expect.any(String)],
    ],
    [
      ['package-lock.json'],
      { name: 'a', version: '1.0.0', scripts: { build: 'x' }, devDependencies: { b: '1' } },
      ['npm ci', 'npm run build', 'npm pack --pack-destination $OUT'],
    ],
    [[], { private: true, scripts: { build: 'x' } }, ['npm run build', 'cp -R --parents dist $OUT']],
    [[], { name: 'a', version: '1.0.0', dependencies: { b: '1' } }, ['npm pack --pack-destination $OUT']],
    [[], null, ['cp -R --parents dist $OUT']],
  ])('of a package beside %j with %j runs %j', (names, about, run) => {
    expect(runOf(['package.json', ...names], JSON.stringify(about))).toEqual(run);
  });

  it('names the lock file of a package that has dependencies, or says how to make one', () => {
    const text = JSON.stringify({ name: 'a', version: '1.0.0', dependencies: { b: '1' } });
    expect(jobOf(['package.json', 'package-lock.json'], text)?.dependencies).toEqual(['package-lock.json']);
    expect(exampleJobFile(['package.json'], text)).toContain('npm install --package-lock-only');
  });
});
describe('the nearest word', () => {
  it('counts edits', () => {
    expect([editDistance('kitten', 'sitting'), editDistance('', 'abc'), editDistance('run', 'run')]).toEqual([
      3, 3, 0,
    ]);
  });

  it('is none when nothing is near', () => {
    expect(nearestWord('memry', ['cpus', 'memory'])).toBe('memory');
    expect(nearestWord('secrets', ['cpus', 'memory'])).toBeUndefined();
    expect(nearestWord('x'.repeat(100_000), ['cpus'])).toBeUndefined();
  });
});
