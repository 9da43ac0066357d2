import { type Tier, tierByNameOnly } from '../../../sandbox/types.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { severalTiers } from '../../terminal/values.ts';
import type { HostCheck } from './host-checks.ts';

/** `checkVersions`: of the processes of this home that run, and of the tools. */
export const doctor =
  (checkVersions: (home: string, cwd: string) => Promise<HostCheck[]>): Define =>
  (program, act) => {
    defineCommand(program, 'doctor', {
      summary: 'see whether this machine can build',
      description:
        'Checks what building for others needs: Node, git, a sandbox that really holds (it runs jobs in it), disk space and the clock; and whether the workers that run here, and those of the project here, have a version that reads the documents of their controller. What the machine can do comes first, then what is missing and what mends it.',
      examples: ['quorate doctor', 'quorate doctor --verbose', `quorate doctor --tier ${tierByNameOnly}`],
    })
      .option(
        '--tier <tier>',
        `the sandbox to look at, repeatable (default: all but ${tierByNameOnly}, which takes its time)`,
        severalTiers,
      )
      .option('--verbose', 'show everything that was looked at, and what was found')
      .action(act((context: Context, options: Options) => run(context, options, checkVersions)));
  };

interface Options {
  tier?: Tier[];
  verbose?: boolean;
}

async function run(
  context: Context,
  { tier: named, verbose = false }: Options,
  checkVersions: (home: string, cwd: string) => Promise<HostCheck[]>,
): Promise<Exit> {
  const { home, cwd, out } = context;
  const { checkHost } = await import('./host-checks.ts');
  const { watchProbes } = await import('../probe-progress.ts');
  const { tierSays } = await import('../tier-consent.ts');
  const [host, versions] = await Promise.all([
    watchProbes(context, (watch) => checkHost(home, watch, named)),
    checkVersions(home, cwd),
  ]);
  const checks = [...host, ...versions];
  // The strongest first, in the order of the checks.
  const tiers = [...new Set(checks.flatMap(({ tier }) => tier ?? []))].map((tier) => ({
    tier,
    ok: checks.every((check) => check.tier !== tier || check.ok),
  }));
  const offered = tiers.find(({ ok }) => ok)?.tier;
  const ok = offered !== undefined && checks.every((check) => check.tier !== undefined || check.ok);
  out.value({ ok, tier: offered ?? null, checks, tiers });
  const { green, red, yellow, bold } = out.colours;
  // The conclusion comes first, before a hundred lines of checks.
  out.say(bold(ok ? green('This machine can build.') : red('This machine cannot build yet.')));
  for (const { tier, ok: works } of tiers) {
    const says = works ? (tier === offered ? 'works, the strongest here' : 'works') : 'does not work here';
    out.say(`  ${tier.padEnd(12)} ${says}. ${tierSays[tier]}`);
  }
  if (offered === 'namespace')
    out.say('A worker offers namespace only when it is told to: quorate join --tier namespace');
  const lacking = checks.filter((check) => !check.ok);
  if (verbose) out.say('');
  else if (lacking.length > 0)
    out.say('', ok ? 'For the rest, mend what is missing:' : 'Mend what is missing:');
  const shown = verbose ? checks : acrossTiers(lacking);
  for (const { name, ok: good, found, fix, tier } of shown) {
    const lacks = tier !== undefined && offered !== undefined ? yellow('missing') : red('missing');
    out.say(`${good ? green('ok     ') : lacks} ${bold(name)}: ${found}`);
    if (fix !== undefined && !good) out.print(`          ${fix}`);
  }
  const bring = packagesOf(checks);
  const line = `apt-get update && apt-get install -y ${bring.join(' ')}`;
  if (bring.length > 0) out.say('', 'All packages that are missing, as root:');
  if (bring.length > 0) out.print(`  ${line}`);
  const missing = `${shown.length} ${shown.length === 1 ? 'is' : 'are'} missing`;
  if (!verbose)
    out.say('', `${checks.length} things were looked at, ${missing}. All of them: quorate doctor --verbose`);
  return ok ? exits.done : exits.cannot;
}

/** Checks with those of several tiers that found the same as one, which names these tiers. Those of the tier that lacks least come first. */
export function acrossTiers(checks: readonly HostCheck[]): HostCheck[] {
  const alike = new Map<string, HostCheck[]>();
  for (const check of checks) {
    const { name, found, fix, tier } = check;
    const key = JSON.stringify([tier === undefined ? name : name.replace(tier, ''), found, fix]);
    alike.set(key, [...(alike.get(key) ?? []), check]);
  }
  const lacking = (tier: HostCheck['tier']): number =>
    tier === undefined ? 0 : checks.filter((check) => check.tier === tier).length;
  const least = (group: HostCheck[]): number => Math.min(...group.map(({ tier }) => lacking(tier)));
  return [...alike.values()]
    .toSorted((a, b) => least(a) - least(b))
    .flatMap(([first, ...others]) => {
      if (first?.tier === undefined) return first ?? [];
      const tiers = [first, ...others].map(({ tier }) => tier);
      return { ...first, name: first.name.replace(first.tier, [...new Set(tiers)].join(', ')) };
    });
}

/** Packages that fix failed checks. */
export function packagesOf(checks: readonly HostCheck[]): string[] {
  const named = checks
    .filter(({ ok }) => !ok)
    .flatMap(({ fix = '' }) => /^apt-get install -y ([a-z0-9.+ -]+)$/.exec(fix)?.[1]?.split(' ') ?? []);
  return [...new Set(named)].sort();
}
