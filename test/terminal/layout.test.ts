import { describe, expect, it } from 'vitest';
import { columns, cutTo, laid, shortened, table, textWidth } from '../../src/terminal/layout.ts';

const cid = 'bafybeihlrz7j4sotzw4jmhsyio2yothja6egyyc42c6b25g5o7aa63256i';

it('the width of a text leaves colours out, and counts characters of two columns twice', () => {
  expect(textWidth('\u001b[31mred\u001b[39m')).toBe(3);
  expect(textWidth('東京 e\u0301')).toBe(6);
  // Pictures that are older than the others, a script that came later, marks that are spaced, a tab.
  expect(['⚡', '✅', '\u{17000}', '\u{1f004}', '\u093e', '\t'].map(textWidth)).toEqual([2, 2, 2, 2, 1, 8]);
});

it('cuts to a width and shows it', () => {
  expect(cutTo('twelve chars', 6)).toBe('twelv…');
  expect(cutTo('😀😀', 4)).toBe('😀😀');
  expect(cutTo('😀😀', 3)).toBe('😀…');
});

it('leaves the middle of a long name out', () => {
  expect(shortened('main', 20)).toBe('main');
  expect(shortened('feature/with-a-very-long-name-2', 15)).toBe('feature…-name-2');
});

it('aligns columns', () => {
  const rows = [
    ['a', 'long', 'x'],
    ['bbb', '東', ''],
  ];
  expect(columns(rows)).toEqual(['a    long  x', 'bbb  東']);
});

describe('a table', () => {
  const rows = [
    ['trusted', '2a4b2f1533', 'build'],
    ['waiting', '9c0d112233', 'for three operators that take it, and none is connected'],
  ];

  it('is columns where they fit', () => {
    expect(table(rows, { width: 80, indent: '  ' })).toEqual([
      '  trusted  2a4b2f1533  build',
      '  waiting  9c0d112233  for three operators that take it, and none is connected',
    ]);
  });

  it('breaks its last column between words where there is room for it', () => {
    expect(table(rows, { width: 60 })).toEqual([
      'trusted  2a4b2f1533  build',
      'waiting  9c0d112233  for three operators that take it, and',
      '                     none is connected',
    ]);
  });

  it('is a block for each row where there is none', () => {
    expect(table(rows, { width: 40 })).toEqual([
      'trusted  2a4b2f1533  build',
      'waiting  9c0d112233',
      '    for three operators that take it,',
      '    and none is connected',
    ]);
  });

  it('has each cell whole where a pipe reads it', () => {
    expect(table(rows, { width: 40, breaks: false })).toEqual([
      'trusted  2a4b2f1533  build',
      'waiting  9c0d112233',
      '    for three operators that take it, and none is connected',
    ]);
  });
});

describe('a line of text', () => {
  it('is broken between words, below the text behind its label', () => {
    expect(laid('  lends      2 cpus, 4 GiB of memory, 4 GiB of disk a build', 40)).toEqual([
      '  lends      2 cpus, 4 GiB of memory,',
      '             4 GiB of disk a build',
    ]);
    expect(laid('    all of this is indented by four columns', 24)).toEqual([
      '    all of this is',
      '    indented by four',
      '    columns',
    ]);
  });

  it('leaves what has no space whole, and a label with its text', () => {
    expect(laid(`  address    /ip4/${cid}`, 40)).toEqual([`  address    /ip4/${cid}`]);
    expect(laid(`artifact ${cid}, of a test`, 40)).toEqual([`artifact ${cid},`, 'of a test']);
    expect(laid(`artifact ${cid}, of a test`, 60)).toEqual(['artifact', `${cid},`, 'of a test']);
  });

  it('has the command at its end on a line of its own, whole', () => {
    expect(laid(`Get it: quorate fetch ${cid} -o <folder>`, 60)).toEqual([
      'Get it:',
      `  quorate fetch ${cid} -o <folder>`,
    ]);
    expect(laid('  pending    git.example.org; to allow one: quorate worker allow HOST', 60)).toEqual([
      '  pending    git.example.org; to allow one:',
      '             quorate worker allow HOST',
    ]);
  });

  it('does not break a command within it', () => {
    const line = 'Nothing came of it: quorate logs 2a4b2f1533 --follow tells more. Then publish it again.';
    expect(laid(line, 40)).toEqual([
      'Nothing came of it:',
      'quorate logs 2a4b2f1533 --follow tells',
      'more. Then publish it again.',
    ]);
  });

  it('keeps its colours, which take no column', () => {
    const [red, plain] = ['\u001b[31m', '\u001b[39m'];
    expect(laid(`${red}one two three${plain}`, 8)).toEqual([`${red}one two`, `three${plain}`]);
    expect(laid(`${red}one two${plain}`, 8)).toEqual([`${red}one two${plain}`]);
  });

  it('is left to the terminal where it is no text', () => {
    const long = 'x '.repeat(3000);
    expect(laid(long, 80)).toEqual([long]);
  });
});
