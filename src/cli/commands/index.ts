import type { Define } from '../context.ts';
import { cancel } from './cancel.ts';
import { charter } from './charter.ts';
import { compare } from './compare.ts';
import { completion } from './completion.ts';
import { controller } from './controller.ts';
import { diff } from './diff.ts';
import { doctor } from './doctor.ts';
import { exportEvidence } from './export.ts';
import { fetch } from './fetch.ts';
import { idp } from './idp.ts';
import { image } from './image.ts';
import { init } from './init.ts';
import { invite } from './invite.ts';
import { jobs } from './jobs.ts';
import { join } from './join.ts';
import { key } from './key.ts';
import { lock } from './lock.ts';
import { login } from './login.ts';
import { logs } from './logs.ts';
import { on } from './on.ts';
import { page } from './page.ts';
import { plan } from './plan.ts';
import { project } from './project.ts';
import { revoke } from './revoke.ts';
import { rotate } from './rotate.ts';
import { run } from './run.ts';
import { sbom } from './sbom.ts';
import { show } from './show.ts';
import { store } from './store.ts';
import { tryJob } from './try.ts';
import { verify } from './verify.ts';
import { version } from './version.ts';
import { watch } from './watch.ts';
import { worker } from './worker.ts';

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
