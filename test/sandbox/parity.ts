import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Tier, tiers } from '../../sandbox/index.ts';
import { profileValues } from '../../sandbox/run/profile.ts';
import { houseFiles, root } from '../tidy/house/source.ts';
import { differences } from './differences.ts';

export const parityPage = 'docs/sandbox.md';
/** Between these stands the table. */
const parityMarks = ['<!-- parity -->', '<!-- /parity -->'] as const;

/** The suite, in the order its chapters are shown. */
const contractFiles = [
  ...['build', 'sees', 'limits', 'ends'].map((name) => `contract/${name}.ts`),
  'contract.ts',
];

const pins: Record<keyof typeof profileValues, string> = {
  hostName: 'host name',
  user: 'account',
  uid: 'its number',
  home: 'its folder in `/build`',
  source: 'folder of the source in `/build`',
  umask: 'umask',
  language: '`LANG`',
  timeZone: '`TZ`',
};

/** The tiers that a file of tests runs the contract suite on. */
function tiersHeld(): Tier[] {
  const calls = houseFiles().filter(
    ({ path, text }) => path.startsWith('test/sandbox/') && /sandboxContract\((async )?\(/.test(text),
  );
  return tiers.filter((tier) => calls.some(({ text }) => text.includes(`'${tier}'`)));
}

/** The contract of every tier and the differences, as rows: from the suite that each of them runs. */
export function parityTable(): string {
  const held = tiersHeld();
  const row = (...cells: string[]) => `| ${cells.join(' | ')} |`;
  const all = (what: string, says = 'yes') => row(what, ...held.map(() => says));
  const chapter = (what: string) => all(`**${what}**`, '');
  const contract = contractFiles
    .map((file) => readFileSync(join(root, 'test/sandbox', file), 'utf8'))
    .join('');
  const titles = [...contract.matchAll(/^ +(describe|it)\('((?:[^'\\]|\\.)*)'/gm)];
  const suite = titles.flatMap(([, kind, title = '']) =>
    kind === 'describe' ? chapter(title) : all(title.replaceAll("\\'", "'").replaceAll('|', '\\|')),
  );
  return [
    row('what', ...held.map((tier) => `\`${tier}\``)),
    row('---', ...held.map(() => '---')),
    ...suite.filter((line) => !line.includes('**what tiers differ in**')),
    chapter('pinned'),
    ...Object.entries(profileValues).map(([pin, value]) =>
      all(pins[pin as keyof typeof pins], `\`${value}\``),
    ),
    chapter('what tiers differ in'),
    ...differences.map(({ what, in: found }) => row(what, ...held.map((tier) => found[tier]?.says ?? ''))),
  ].join('\n');
}

/** A page with the table as it is now. */
export function withParity(page: string): string {
  const [begin, end] = parityMarks;
  const [head = '', rest = ''] = page.split(begin);
  return `${head}${begin}\n${parityTable()}\n${end}${rest.split(end)[1] ?? ''}`;
}
