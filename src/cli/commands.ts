import type { Define } from '../terminal/context.ts';
import { cancel } from '../client/commands/cancel.ts';
import { charter } from '../owner/commands/charter.ts';
import { compare } from '../client/commands/compare.ts';
import { completion } from './completion/completion.ts';
import { controller } from '../controller/commands/controller.ts';
import { diff } from '../client/commands/diff.ts';
import { doctor } from '../execution/commands/doctor.ts';
import { exportEvidence } from '../client/commands/export.ts';
import { fetch } from '../client/commands/fetch.ts';
import { idp } from '../idp/commands/idp.ts';
import { image } from '../owner/commands/image.ts';
import { init } from '../owner/commands/init.ts';
import { invite } from '../owner/commands/invite.ts';
import { jobs } from '../client/commands/jobs.ts';
import { join } from '../worker/commands/join.ts';
import { key } from '../owner/commands/key.ts';
import { lock } from '../client/commands/lock.ts';
import { login } from '../client/commands/login.ts';
import { logs } from '../client/commands/logs.ts';
import { on } from '../watcher/commands/on.ts';
import { page } from '../controller/commands/page.ts';
import { plan } from '../client/commands/plan.ts';
import { project } from '../worker/commands/project.ts';
import { revoke } from '../owner/commands/revoke.ts';
import { rotate } from '../owner/commands/rotate.ts';
import { run } from '../client/commands/run.ts';
import { sbom } from '../client/commands/sbom.ts';
import { show } from '../client/commands/show.ts';
import { store } from '../store-node/commands/store.ts';
import { tryJob } from '../client/commands/try.ts';
import { verify } from '../client/commands/verify.ts';
import { version } from './version.ts';
import { watch } from '../watcher/commands/watch.ts';
import { worker } from '../worker/commands/worker.ts';

/** Commands in the order of the help: owning a project, running jobs, lending a host, using artifacts. */
export const verbs: readonly Define[] = [
  init,
  charter,
  controller,
  idp,
  invite,
  rotate,
  revoke,
  image,
  tryJob,
  plan,
  lock,
  run,
  jobs,
  show,
  diff,
  compare,
  logs,
  cancel,
  watch,
  join,
  worker,
  store,
  project,
  key,
  login,
  doctor,
  on,
  fetch,
  verify,
  page,
  exportEvidence,
  sbom,
  completion,
  version,
];
