import { type Tier, tiers } from '../../sandbox/index.ts';
import { houseFiles } from '../tidy/house/source.ts';
import { differences } from './differences.ts';

/** The tiers that a file of tests runs the contract suite on. */
function tiersHeld(): Tier[] {
  const calls = houseFiles().filter(
    ({ path, text }) => path.startsWith('test/sandbox/') && /sandboxContract\((async )?\(/.test(text),
  );
  return tiers.filter((tier) => calls.some(({ text }) => text.includes(`'${tier}'`)));
}

/** Differences of the tiers, a column for each tier that runs the contract suite. */
export function parityTable(): string {
  const held = tiersHeld();
  const row = (...cells: string[]) => `| ${cells.join(' | ')} |`;
  return [
    row('what', ...held.map((tier) => `\`${tier}\``)),
    row('---', ...held.map(() => '---')),
    ...differences.map(({ what, in: found }) => row(what, ...held.map((tier) => found[tier]?.says ?? ''))),
  ].join('\n');
}

/** The page of what differs between tiers. */
export function parityPage(): string {
  return `# Tiers of sandbox\n\nEach passes the contract suite ([sandbox.md](../../docs/sandbox.md#every-tier)). They differ in this:\n\n${parityTable()}\n`;
}
