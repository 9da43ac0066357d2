import { resolve } from 'node:path';
import { Option } from 'commander';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { counted } from '../../protocol/base/quantity.ts';
import type { RevocationTarget } from '../../protocol/documents/index.ts';
import type { RevocationList } from '../../protocol/judge/index.ts';
import type { OwnRevocation } from '../../protocol/sessions/own-revocations.ts';
import { confirmed } from '../../terminal/confirm.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { NewFile } from '../../terminal/new-file.ts';
import { logIndex, reasonText, repeatable, textOf } from '../../terminal/values.ts';
import type { RevokedAnswer } from '../controller-socket.ts';
import { openProject } from '../project.ts';
import type { ProjectFolder } from '../project-folder.ts';
import type { RevokedNow } from '../revoke.ts';

type Kind = RevocationTarget['kind'];
const kinds: Kind[] = ['operator', 'key', 'job', 'image', 'artifact'];

interface Options {
  reason: string;
  since?: number;
  keep?: string[];
  voidLeaf?: string[];
  as?: Kind;
  out?: string;
  yes?: boolean;
}

export const revoke: Define = (program, act) =>
  defineCommand(program, 'revoke', {
    summary: 'take trust back from an operator, a key, a job, an image or an artifact',
    description:
      'Signs a revocation and puts it into the log. An operator or a key may not work any more at once; every verdict that rests on what is revoked is decided again, and whoever fetches or verifies learns of it. It cannot be taken back.',
    examples: [
      'quorate revoke mallory --reason "tampered with builds" --since 120',
      'quorate revoke bafybeig… --reason "contains CVE-2026-1234"',
    ],
  })
    .argument('<what>', "an operator's name, a PeerId, or a CID")
    .requiredOption('--reason <text>', 'why, for everybody', reasonText)
    .option(
      '--since <index>',
      'void from this leaf of the log on (default: now for an operator or a key, 0 for the rest)',
      logIndex,
    )
    .option(
      '--keep <id>',
      "of an identity provider's key: a revocation by it that stays; repeatable, or none (default: those in the log before --since)",
      keptId,
    )
    .option(
      '--void-leaf <id>',
      'of a key that wrote the log: nobody signed the revocation that a leaf names; repeatable, or all: each from --since on that the controller does not show',
      voidId,
    )
    .addOption(new Option('--as <kind>', 'what it is, where that is not plain').choices(kinds))
    .option('--yes', 'ask nothing, also where fewer operators are left than a round has slots')
    .option(
      '--out <file>',
      'write the revocation to a file as well, for verify --revocations, whether the controller takes it or not',
    )
    .action(act(run));

async function run(context: Context, what: string, options: Options): Promise<Exit> {
  const { cwd, out, signal } = context;
  const folder = await openProject(cwd);
  const target = await targetOf(what, options.as, folder);
  const { reason, since, keep, voidLeaf, yes = false } = options;
  if ((keep ?? voidLeaf) !== undefined && target.kind !== 'key')
    throw new QuorateError(
      'CLI_USAGE',
      `${keep === undefined ? '--void-leaf' : '--keep'} is of the end of a key, and "${what}" is no key`,
    );
  if (voidLeaf?.includes('all') === true && since === undefined)
    throw new QuorateError('CLI_USAGE', '--void-leaf all is of the leaves from --since on: give that too');
  const before = await revokedAlready(folder, target, options);
  if (before !== null) {
    out.value({ ...target, ...before, already: true });
    out.say(
      `The ${target.kind} ${target.id} was revoked before, from leaf ${before.since} of the log on: ${escapeLine(before.reason, 500)}`,
      'Nothing was signed. To have it reach further back: --since <index>',
    );
    return exits.done;
  }
  if (target.kind === 'operator' && !(await fewerIsFine(context, folder, { operator: target.id, yes }))) {
    out.note('Nothing was revoked.');
    return exits.no;
  }
  const { revoke: sign } = await import('../revoke.ts');
  const file = options.out === undefined ? undefined : await NewFile.open(resolve(cwd, options.out));
  try {
    let signed: RevocationList | undefined;
    const write = async (instead: string) => {
      if (signed !== undefined) await file?.finish(`${JSON.stringify(signed)}\n`, instead);
    };
    const done = await sign(folder, {
      what: target,
      reason,
      signal,
      since,
      keeps: keep,
      voidLeaves: voidLeaf?.includes('all') ? 'all' : voidLeaf,
      signed: (list) => {
        signed = list;
      },
    }).catch(async (error) => {
      await write('The controller did not take it.');
      if (file !== undefined && signed !== undefined)
        out.note(
          `The revocation is in ${options.out}: whoever is given it goes by it, see verify --revocations.`,
        );
      throw error;
    });
    await write(`It is revoked, as leaf ${done.index} of the log.`);
    const { since: from, index, byRoot } = done;
    out.value({ ...target, since: from, reason, index, byRoot, ...endOf(done) });
    const { bold, dim } = out.colours;
    out.say(
      `Revoked the ${target.kind} ${bold(target.id)}, from leaf ${from} of the log on.`,
      ...sayEnd(done),
      dim(
        `The controller says that it is leaf ${index}. Verdicts that rested on it are decided again: quorate jobs shows which stand no more.`,
      ),
    );
    return exits.done;
  } finally {
    await file?.[Symbol.asyncDispose]();
  }
}

/** The revocation that another one would add nothing to. The end of a key may say more; a file is written of a new one. */
async function revokedAlready(
  folder: ProjectFolder,
  target: RevocationTarget,
  { since, out }: Options,
): ReturnType<typeof revokedBefore> {
  if (target.kind === 'key' || out !== undefined) return null;
  const before = await revokedBefore(folder, target);
  const from = since ?? (target.kind === 'operator' ? Number.POSITIVE_INFINITY : 0);
  return before !== null && before.since <= from ? before : null;
}

const revocationIds = repeatable(textOf(/^[0-9a-f]{64}$/, 'Give the id of a revocation, or none.'));
const keptId = (text: string, before: string[] = []): string[] =>
  text === 'none' ? before : revocationIds(text, before);
const voidId = repeatable(textOf(/^(?:all|[0-9a-f]{64})$/, 'Give the id that the leaf names, or all.'));

/** @throws {QuorateError} `CLI_USAGE`, `KEY_INVALID` */
async function targetOf(
  text: string,
  as: Kind | undefined,
  folder: ProjectFolder,
): Promise<RevocationTarget> {
  const { publicKeyOf, revocationSchema } = await import('../../protocol/documents/index.ts');
  const kind = as ?? (await kindOf(text, folder));
  const parsed = revocationSchema.shape.what.safeParse({ kind, id: text });
  if (parsed.success) return parsed.data;
  if (kind === 'key') publicKeyOf(text);
  const wants =
    kind === 'operator'
      ? 'The name of an operator has letters, digits and . _ - only.'
      : `A ${kind} is named by its whole CID: quorate show <job> prints it.`;
  throw new QuorateError('CLI_USAGE', `"${text.slice(0, 120)}" does not name a ${kind}`, { hint: wants });
}

/** CIDs of jobs have the codec DAG-JSON; those of images lie in the project's folder. */
async function kindOf(text: string, folder: ProjectFolder): Promise<Kind> {
  if (text.startsWith('12D3KooW')) return 'key';
  if (text.startsWith('baguq')) return 'job';
  if (!/^baf[a-z2-7]{50,}$/.test(text)) return 'operator';
  const { hasImageFile, imagesFolder } = await import('../../execution/images/files.ts');
  return hasImageFile(imagesFolder(folder.dir), text) ? 'image' : 'artifact';
}

/** Revocations that are printed; the JSON has all. */
const namedMax = 20;

type End = Pick<RevokedNow, 'keeps' | 'voids' | 'voidLeaves'>;

/** For JSON: revocations of a key that stay, those that end with it, and leaves that are void. Empty where there are none. */
function endOf({ keeps, voids, voidLeaves }: End): Partial<End> {
  return {
    ...(keeps.length + voids.length > 0 && { keeps, voids }),
    ...(voidLeaves.length > 0 && { voidLeaves }),
  };
}

export function sayEnd({ keeps, voids, voidLeaves }: End): string[] {
  const leaves =
    voidLeaves.length === 0
      ? []
      : [
          'Void: leaves of the log that name these revocations, which nobody signed:',
          ...few(voidLeaves.map((id) => `  ${id}`)),
        ];
  if (keeps.length + voids.length === 0) return leaves;
  const stay = `Of what that key revoked, ${keeps.length} stay`;
  const end = `${voids.length} count no more`;
  return [
    ...leaves,
    ...(keeps.length === 0 ? [`${stay}.`] : [`${stay}:`, ...lines(keeps)]),
    ...(voids.length === 0 ? [`${end}.`] : [`${end}; revoke again what should be:`, ...lines(voids)]),
  ];
}

function lines(all: readonly OwnRevocation[]): string[] {
  return few(
    all.map(
      ({ id, what, leaf, reason }) =>
        `  ${id.slice(0, 12)}  leaf ${leaf ?? '?'}  ${what.kind} ${what.id}: ${escapeLine(reason, 100)}`,
    ),
  );
}

function few(all: readonly string[]): string[] {
  if (all.length <= namedMax) return [...all];
  return [...all.slice(0, namedMax), `  and ${all.length - namedMax} more: --json has all`];
}

/** The revocation of this that the controller has taken; null also where no controller runs from this folder. */
export async function revokedBefore(
  { dir }: Pick<ProjectFolder, 'dir'>,
  what: RevocationTarget,
): Promise<RevokedAnswer['revoked']> {
  const { askIfRunning } = await import('../controller-socket.ts');
  const question = { do: 'revoked', what } as const;
  return (await askIfRunning<RevokedAnswer>(dir, question, 'CONTROL_REQUEST_INVALID'))?.revoked ?? null;
}

/**
 * Says where a project has fewer operators than its rounds have slots once this one is revoked, and asks at a terminal. Returns
 * whether to go on. Says nothing where no controller runs from this folder.
 */
export async function fewerIsFine(
  context: Pick<Context, 'out' | 'interactive' | 'signal'>,
  folder: Pick<ProjectFolder, 'dir'>,
  { operator, yes, ask = confirmed }: { operator: string; yes: boolean; ask?: typeof confirmed },
): Promise<boolean> {
  const { askIfRunning } = await import('../controller-socket.ts');
  const roundsNow = async (without?: string) => {
    const question = { do: 'status', ...(without !== undefined && { without }) } as const;
    return (await askIfRunning<{ rounds: { slots: number; operators: number } }>(folder.dir, question))
      ?.rounds;
  };
  const left = await roundsNow(operator);
  if (left === undefined) return true;
  const { slots, operators } = left;
  // Of one that takes part in no round the controller says more.
  if (operators >= slots || (await roundsNow())?.operators === operators) return true;
  context.out.note(
    `Without ${operator} the project has ${counted(operators, 'operator')}, and a round asks for ${slots}: no round will be full. Each takes longer, as the slot left over is waited for; a job of which more must agree than ${operators} ends as unfinished. Admit another operator: quorate invite <name>`,
  );
  return yes || !context.interactive || ask(context, `Revoke ${operator}?`);
}
