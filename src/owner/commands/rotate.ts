import { QuorateError } from '../../protocol/base/errors.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { logIndex, peerIds, reasonText } from '../../terminal/values.ts';
import { openProject } from '../project.ts';
import type { ProjectFolder } from '../project-folder.ts';
import type { RevokedNow } from '../revoke.ts';
import { sayEnd } from './revoke.ts';

export const rotate: Define = (program, act) => {
  const group = defineCommand(program, 'rotate', {
    summary: 'replace a key of the project',
    description:
      'Signs the next charter with the root key, which must be in .quorate/ for it, and replaces a key in it. What was signed with the keys of before stays as good as it was; a key that was stolen is revoked as well.',
    examples: ['quorate rotate controller', 'quorate rotate idp --finish'],
  });
  defineCommand(group, 'controller', {
    summary: "a new key for the controller and the project's log",
    description:
      'Makes another key for the controller, which signs the log too. A running controller ends the jobs that are open, tells its workers and goes on with the new key within seconds; one that is down does at its start. Members find it by themselves, at the same address.',
    examples: ['quorate rotate controller'],
  }).action(act(controller));
  defineCommand(group, 'idp', {
    summary: 'a new key for the identity provider',
    description:
      'Makes another key for the identity provider, which signs tickets and grants from now on. Those of before stay good until --finish; with --at-once they end now. A key that is dropped is revoked with the root key: what it revoked itself before --since stays, and it revokes nothing more.',
    examples: ['quorate rotate idp', 'quorate rotate idp --finish'],
  })
    .option('--at-once', 'drop the keys of before now: one of them was stolen')
    .option('--finish', 'make no key; drop the keys of before')
    .option(
      '--since <index>',
      'of the keys that are dropped: void from this leaf of the log on (default: now)',
      logIndex,
    )
    .option('--reason <text>', 'why they are dropped, for everybody', reasonText)
    .action(act(idp));
  defineCommand(group, 'trusted-worker', {
    summary: 'name trusted workers, or leave some out',
    description:
      'Changes which keys the charter names as trusted workers. One that is left out signs nothing from then on.',
    examples: ['quorate rotate trusted-worker --add 12D3KooW… --remove 12D3KooW…'],
  })
    .option('--add <PeerId>', 'key of a host, as "quorate key" prints it there; repeatable', peerIds)
    .option('--remove <PeerId>', 'key that the charter names; repeatable', peerIds)
    .action(act(trusted));
};

async function controller({ cwd, out }: Context): Promise<Exit> {
  const folder = await openProject(cwd);
  const { rotateController } = await import('../rotate.ts');
  const { now, key, old } = await rotateController(folder);
  out.value({ project: folder.project, epoch: now.epoch, controller: key, before: old });
  const { bold, dim } = out.colours;
  out.say(
    `Signed the charter of epoch ${now.epoch}. The controller and its log have the key ${bold(key)} now.`,
    `Before: ${old}, which is kept in .quorate/keys/ to complete what it promised.`,
    'Jobs that are open end; ask for them again: quorate run. Members find the controller at the same address.',
    ...stolen(old),
    dim('root.key is not needed any more: take it out of .quorate/ again.'),
  );
  return exits.done;
}

interface IdpOptions {
  atOnce?: boolean;
  finish?: boolean;
  since?: number;
  reason?: string;
}

async function idp(context: Context, options: IdpOptions): Promise<Exit> {
  const { cwd, out } = context;
  const { atOnce = false, finish = false } = options;
  if (atOnce && finish)
    throw new QuorateError('CLI_USAGE', '--at-once makes a key and drops the others; --finish drops only');
  const drops = atOnce || finish;
  if (!drops && (options.since !== undefined || options.reason !== undefined))
    throw new QuorateError(
      'CLI_USAGE',
      '--since and --reason are of keys that are dropped: --at-once, --finish',
    );
  const folder = await openProject(cwd);
  const { currentCharter } = await import('../project-folder.ts');
  const { dropOldIdps, rotateIdp } = await import('../rotate.ts');
  const { bold } = out.colours;
  const { idps: before } = await currentCharter(folder);
  // Where that key is not here, nothing is signed.
  const { id: own } = folder.idp;
  const gone = atOnce ? before : finish ? before.filter((id) => id !== own) : [];
  // While the controller is there under the keys of before.
  const ended = folder.root === undefined ? [] : await endKeys(context, folder, gone, options);
  if (finish) {
    const { now } = await dropOldIdps(folder);
    out.value({
      project: folder.project,
      epoch: now.epoch,
      idps: now.idps,
      gone,
      ended: ended.map(endedValue),
    });
    if (gone.length === 0) out.say('The charter names one identity provider only: nothing was signed.');
    else
      out.say(
        `Signed the charter of epoch ${now.epoch}. It names ${bold(own)} alone.`,
        `Tickets and grants of ${gone.join(', ')} end now; members get new grants by themselves.`,
        ...ended.flatMap(sayEnded),
      );
    return exits.done;
  }
  const { now, key, old } = await rotateIdp(folder, { atOnce });
  const { project } = folder;
  const ends = atOnce ? ended.map(endedValue) : undefined;
  out.value({ project, epoch: now.epoch, idps: now.idps, before: old, ended: ends });
  out.say(
    `Signed the charter of epoch ${now.epoch}. The identity provider has the key ${bold(key)} now. Before: ${old}.`,
    ...(atOnce
      ? [
          'Tickets and grants of before end now. Members get new grants by themselves; make open tickets again: quorate invite.',
          'Jobs that are open and rest on them end; ask for them again: quorate run.',
          ...ended.flatMap(sayEnded),
        ]
      : [
          'Tickets and grants of before stay good. Members get new grants by themselves, within a day.',
          'Then drop the key of before: quorate rotate idp --finish',
          'Was it stolen? Then drop it now: quorate rotate idp --at-once --since <index>',
        ]),
  );
  return exits.done;
}

/** The end of a key that the charter leaves out. */
type Ended = { key: string } & ({ done: RevokedNow } | { failed: QuorateError });

/** The controller is not waited for longer than this: it is there, or the command goes on. */
const endMsMax = 3_000;

async function endKeys(
  { signal }: Context,
  folder: ProjectFolder,
  keys: readonly string[],
  { since, reason = 'replaced by another key' }: IdpOptions,
): Promise<Ended[]> {
  const { revoke } = await import('../revoke.ts');
  const ended: Ended[] = [];
  for (const key of keys) {
    const what = { kind: 'key' as const, id: key };
    const revoking = { what, reason, signal, waitMs: endMsMax, since };
    try {
      ended.push({ key, done: await revoke(folder, revoking) });
    } catch (error) {
      // A key that was stolen is replaced all the same.
      if (!(error instanceof QuorateError)) throw error;
      ended.push({ key, failed: error });
    }
  }
  return ended;
}

function endedValue(ended: Ended): object {
  if ('failed' in ended) return { key: ended.key, code: ended.failed.code };
  const { since, index, keeps, voids } = ended.done;
  return { key: ended.key, since, index, keeps, voids };
}

function sayEnded(ended: Ended): string[] {
  const { key } = ended;
  if ('failed' in ended)
    return [
      `${key} is not revoked yet (${ended.failed.code}: ${ended.failed.message}). Once that is mended: quorate revoke ${key} --reason <text>`,
    ];
  const { done } = ended;
  const before = `Was it stolen before that? Then from there on: quorate revoke ${key} --since <index> --reason <text>`;
  return [
    `The root key revoked ${key}, from leaf ${done.since} of the log on.`,
    ...sayEnd(done),
    ...(done.since > 0 ? [before] : []),
  ];
}

async function trusted(
  { cwd, out }: Context,
  { add = [], remove = [] }: { add?: string[]; remove?: string[] },
): Promise<Exit> {
  if (add.length + remove.length === 0)
    throw new QuorateError('CLI_USAGE', 'say which keys: --add, --remove', {
      hint: 'quorate key prints that of a host.',
    });
  const folder = await openProject(cwd);
  const { rotateTrusted } = await import('../rotate.ts');
  const { before, now } = await rotateTrusted(folder, { add, remove });
  const added = now.trusted.filter((id) => !before.trusted.includes(id));
  const gone = before.trusted.filter((id) => !now.trusted.includes(id));
  out.value({ project: folder.project, epoch: now.epoch, trusted: now.trusted, added, gone });
  if (added.length + gone.length === 0) {
    out.say('The charter names those keys as before: nothing was signed.');
    return exits.done;
  }
  out.say(
    `Signed the charter of epoch ${now.epoch}. Trusted workers: ${now.trusted.join(', ') || 'none'}.`,
    ...added.map((key) => `Its ticket: quorate invite <name> --role trusted-worker --key ${key}`),
    ...gone.flatMap((key) => stolen(key)),
  );
  if (now.trusted.length === 0)
    out.say(out.colours.yellow('Jobs that need a co-signature stay "agreed" until one is named.'));
  return exits.done;
}

const stolen = (key: string): string[] => [
  `Was it stolen? Then revoke it too, from the leaf of the log where that began: quorate revoke ${key} --since <index> --reason <text>`,
];
