import { join } from 'node:path';
import type { HomeRole } from '../backup/homes.ts';
import { addBackupVerbs } from '../backup/verbs.ts';
import { cancel } from '../client/commands/cancel.ts';
import { diff } from '../client/commands/diff.ts';
import { exportEvidence } from '../client/commands/export.ts';
import { fetch } from '../client/commands/fetch.ts';
import { jobs } from '../client/commands/jobs.ts';
import { lock } from '../client/commands/lock.ts';
import { login } from '../client/commands/login.ts';
import { logs } from '../client/commands/logs.ts';
import { plan } from '../client/commands/plan.ts';
import { run } from '../client/commands/run.ts';
import { sbom } from '../client/commands/sbom.ts';
import { show } from '../client/commands/show.ts';
import { tryJob } from '../client/commands/try.ts';
import { verify } from '../client/commands/verify.ts';
import { controller } from '../controller/commands/controller.ts';
import { page } from '../controller/commands/page.ts';
import { doctor } from '../execution/commands/doctor.ts';
import { idp } from '../idp/commands/idp.ts';
import { charter } from '../owner/commands/charter.ts';
import { image } from '../owner/commands/image.ts';
import { init } from '../owner/commands/init.ts';
import { invite } from '../owner/commands/invite.ts';
import { key } from '../owner/commands/key.ts';
import { policy } from '../owner/commands/policy.ts';
import { revoke } from '../owner/commands/revoke.ts';
import { rotate } from '../owner/commands/rotate.ts';
import { version as versionOf } from '../program.ts';
import { assert } from '../protocol/base/errors.ts';
import { store } from '../store-node/commands/store.ts';
import { type Define, defineCommand } from '../terminal/context.ts';
import { exits } from '../terminal/exit-codes.ts';
import { on } from '../watcher/commands/on.ts';
import { watch } from '../watcher/commands/watch.ts';
import { join as joinProject } from '../worker/commands/join.ts';
import { project } from '../worker/commands/project.ts';
import { worker } from '../worker/commands/worker.ts';
import { completion } from './completion/completion.ts';
import { up } from './up/up.ts';

const version: Define = (program, act) => {
  defineCommand(program, 'version', {
    summary: 'print the version',
    description: 'Prints the version of Quorate and of the Node that runs it.',
    examples: ['quorate version'],
  }).action(
    act(({ out }) => {
      const node = process.version.slice(1);
      out.value({ version: versionOf(), node });
      out.say(`quorate ${versionOf()} (Node ${node})`);
      return exits.done;
    }),
  );
};

/** A process and the verbs for a backup of its home, which a role cannot know: it is read with the machines of all roles. */
const withBackup =
  (role: HomeRole, define: Define): Define =>
  (program, act) => {
    define(program, act);
    const group = program.commands.find((command) => command.name() === role);
    assert(group !== undefined, 'the role names its command');
    addBackupVerbs(group, act, role);
  };

/** Commands in the order of the help: owning a project, running jobs, lending a host, using artifacts. */
export const verbs: readonly Define[] = [
  init,
  up,
  charter,
  policy,
  withBackup('controller', controller),
  withBackup('idp', idp),
  invite,
  rotate,
  revoke,
  image,
  tryJob(async (home) => {
    const { readWorkerFile } = await import('../worker/commands/worker-file.ts');
    return (await readWorkerFile(join(home, 'worker.toml'))).rules;
  }),
  plan,
  lock,
  run,
  jobs,
  show,
  diff,
  logs,
  cancel,
  withBackup('watch', watch),
  joinProject,
  worker,
  withBackup('store', store),
  project,
  key,
  login,
  doctor(async (home, cwd) => {
    const { checkVersions } = await import('./version-checks.ts');
    return checkVersions(home, cwd);
  }),
  on,
  fetch,
  verify,
  page,
  exportEvidence,
  sbom,
  completion,
  version,
];
