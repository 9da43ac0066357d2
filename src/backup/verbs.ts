import { resolve } from 'node:path';
import type { Command } from 'commander';
import { keysFolder } from '../owner/project.ts';
import { version } from '../program.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { type Act, type Context, defineCommand } from '../terminal/context.ts';
import { type Exit, exits } from '../terminal/exit-codes.ts';
import { bytes, counted, when } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import type { Checked } from './check.ts';
import type { HomeRole } from './homes.ts';
import type { Restored } from './restore.ts';

/** Words of the help. `bytes`: what `--artifacts` adds, and how it is had without. */
const words: Readonly<Record<HomeRole, { of: string; copied: string; bytes?: string }>> = {
  controller: {
    of: 'the controller of this repository',
    copied:
      'journal (the log of the project is in it), charter, last checkpoint, revocations, logs of builds and the list of pins',
    bytes:
      'artifacts and images: without it, artifacts are fetched again from members that have them, and images have to be made again',
  },
  idp: {
    of: 'the identity provider of this folder',
    copied: 'journal, charter and revocations',
  },
  store: {
    of: 'the artifact store of the home folder',
    copied: 'list of what it keeps, charter and revocations',
    bytes: 'artifacts and their bundles: without it, they are fetched again from members that have them',
  },
  watch: {
    of: 'the watcher of the home folder',
    copied: 'journals of the watcher and of hooks, rules, memberships, revocations and the copy of the log',
  },
};

interface Asked {
  keys?: boolean;
  artifacts?: boolean;
  aside?: boolean;
}

export function addBackupVerbs(group: Command, act: Act, role: HomeRole): void {
  const { of, copied, bytes: more } = words[role];
  const name = `quorate ${role}`;
  const backup = defineCommand(group, 'backup', {
    summary: 'copy what it knows into a new folder, while it runs',
    description: `Copies what ${of} knows, as of one moment, whether or not it runs: ${copied}. The folder is there as a whole or not at all. Keys are not copied, unless --keys says so.${role === 'controller' ? ' Bundles are not copied: the controller makes them again from the journal.' : ''}`,
    examples: [`${name} backup /mnt/backups/2026-11-29`, `${name} backup --keys /mnt/safe/2026-11-29`],
  })
    .argument('<folder>', 'a new folder, best on another disk')
    .option('--keys', 'copy the keys too: whoever has that folder can act as this process');
  if (more !== undefined) backup.option('--artifacts', `copy the bytes of ${more}`);
  backup.action(
    act((context: Context, folder: string, options: Asked) => backUp(context, role, folder, options)),
  );
  defineCommand(group, 'restore', {
    summary: 'make its home from a backup, here or on another machine',
    description: `Makes the home of ${of} from a backup, whose files are compared with their sums first. It is there as a whole or not at all. The process must not run. Says what is to be done before the next start.`,
    examples: [`${name} restore /mnt/backups/2026-11-29`, `${name} restore --aside /mnt/backups/2026-11-29`],
  })
    .argument('<folder>', `what "${name} backup" made`)
    .option(
      '--aside',
      'rename the home that is there first; keys that the backup does not have are copied from it',
    )
    .action(
      act((context: Context, folder: string, { aside }: Asked) => restore(context, role, folder, aside)),
    );
  defineCommand(group, 'check', {
    summary: 'read everything it has on disk, and say what is whole',
    description: `Reads everything that ${of} has on disk, or a backup, as a start does, and names each file that is not whole, with the place. Changes nothing; the process may run. Exits with 1 where something is damaged, with 4 where all that is not whole is made again or fetched by the process itself.`,
    examples: [`${name} check`, `${name} check /mnt/backups/2026-11-29`],
  })
    .argument('[folder]', 'a backup (default: the home)')
    .action(act((context: Context, folder: string | undefined) => check(context, role, folder)));
}

/** Of a restore it need not be there. */
async function homeOf({ cwd, home }: Context, role: HomeRole): Promise<string> {
  if (role === 'store' || role === 'watch') return home;
  return keysFolder(cwd);
}

async function backUp(context: Context, role: HomeRole, folder: string, asked: Asked): Promise<Exit> {
  const { cwd, out, signal } = context;
  const { makeBackup } = await import('./backup.ts');
  const { keys = false, artifacts = false } = asked;
  const places = { role, home: await homeOf(context, role), to: resolve(cwd, folder) };
  const made = await makeBackup({ ...places, keys, artifacts, version: version(), signal });
  out.value(made);
  out.say(
    `${made.folder}: ${counted(made.files, 'file')}, ${bytes(made.bytes)}, ${counted(made.events, 'event')}.`,
    made.keys.length > 0
      ? out.colours.yellow(`  with keys  ${made.keys.join(', ')}: keep the folder as you keep them`)
      : `  no keys    ${made.keysLeft.length > 0 ? `${made.keysLeft.join(', ')} must be kept elsewhere` : 'there are none'}`,
  );
  if (made.others.length > 0)
    out.say(`  not in it  ${made.others.map((name) => escapeLine(name, 200)).join(', ')}`);
  return exits.done;
}

async function restore(context: Context, role: HomeRole, folder: string, aside = false): Promise<Exit> {
  const { cwd, out, signal } = context;
  const { restoreBackup } = await import('./restore.ts');
  const home = await homeOf(context, role);
  const restored = await restoreBackup({ role, from: resolve(cwd, folder), home, aside, signal });
  const { manifest, kept, missing } = restored;
  const next = nextSteps(role, restored);
  const { made, files } = manifest;
  out.value({
    home: restored.home,
    made,
    files: files.length,
    aside: restored.aside ?? null,
    kept,
    missing,
    next,
  });
  out.say(`${restored.home} is as it was on ${when(made)}: ${counted(files.length, 'file')}.`);
  if (restored.aside !== undefined) out.say(`  before     ${restored.aside}`);
  if (kept.length > 0) out.say(`  keys       ${kept.join(', ')}, from there`);
  out.say('Next:', ...next.map((step, n) => `  ${n + 1}. ${step}`));
  return exits.done;
}

/** Steps that are left to the user, in order. */
function nextSteps(role: HomeRole, { home, manifest, missing }: Restored): string[] {
  const steps: string[] = [];
  const needed = missing.filter((key) => !['root.key', 'sign-ins.json'].includes(key));
  if (needed.length > 0) {
    const apart =
      role === 'controller' && needed.includes('idp.key')
        ? ' (idp.key only where no "quorate idp" runs)'
        : '';
    steps.push(`Bring ${needed.join(' and ')} into ${home}, mode 0600${apart}.`);
  }
  if (!manifest.artifacts && role === 'controller')
    steps.push('Images of jobs are not here: quorate image build, or quorate image import.');
  steps.push(
    'See that the process of before runs nowhere any more: two that sign at the same time contradict each other.',
  );
  steps.push(...starts[role]);
  return steps;
}

const starts: Readonly<Record<HomeRole, readonly string[]>> = {
  controller: [
    'Start it: quorate controller. It asks its members for what came after the backup before it signs anything.',
    'On another machine: where members know this one by another address, start it with --announce. Tickets that were not used yet name the address of before.',
  ],
  idp: ['Start it: quorate idp. On another machine: quorate controller --idp <its new address>.'],
  store: ['Start it: quorate store serve. On another machine: quorate controller --store <its new address>.'],
  watch: ['Start it: quorate watch. Tokens and secrets that watch.toml names by file are not in the backup.'],
};

async function check(context: Context, role: HomeRole, folder: string | undefined): Promise<Exit> {
  const { cwd, out, signal } = context;
  const { checkHome } = await import('./check.ts');
  const at = folder === undefined ? await homeOf(context, role) : resolve(cwd, folder);
  const checked = await checkHome({ role, folder: at, signal });
  const isDamaged = checked.findings.some(({ state }) => state === 'damaged');
  const isWhole = checked.findings.length === 0;
  out.value({ ...checked, whole: isWhole });
  sayChecked(out, checked);
  return isDamaged ? exits.no : isWhole ? exits.done : exits.lookAt;
}

function sayChecked(out: Output, { folder, files, bytes: size, events, blocks, findings }: Checked): void {
  const { bold, red, yellow, green } = out.colours;
  out.say(
    `${folder}: ${counted(files, 'file')}, ${bytes(size)}, ${counted(events, 'event')}${blocks > 0 ? `, ${counted(blocks, 'block')}` : ''}.`,
  );
  for (const { file, state, code, says, hint } of findings) {
    const word = state === 'damaged' ? red('damaged') : yellow('mends  ');
    out.say(`  ${word}  ${bold(escapeLine(file, 300))}: ${escapeLine(says, 1000)} (${code})`);
    if (hint !== undefined && state === 'damaged') out.say(`           ${escapeLine(hint, 500)}`);
  }
  if (findings.length === 0) out.say(green('All of it is whole.'));
}
