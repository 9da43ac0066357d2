import type { ControllerStatus } from '../controller/node/status.ts';
import type { HostCheck } from '../execution/commands/host-checks.ts';
import { openProject } from '../owner/project.ts';
import { codeOf, messageOf } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { sayLapsed } from '../protocol/trust/key-texts.ts';

const fix = 'update Quorate, and start it again';

/** Whether nodes here read the documents of those that they work with, and the revocations of the project here still count. */
export async function checkVersions(home: string, cwd: string): Promise<HostCheck[]> {
  return [...(await checkWorkers(home)), ...(await checkProject(cwd))];
}

async function checkWorkers(home: string): Promise<HostCheck[]> {
  const { askWorkers } = await import('../worker/node/control.ts');
  return (await askWorkers(home)).map(({ project, answer }) => {
    const name = `version of the worker for …${project}`;
    const behind = answer.status.behind ?? null;
    return behind === null
      ? { name, ok: true, found: 'reads what its controller writes, as far as is known' }
      : { name, ok: false, found: escapeLine(behind, 500), fix };
  });
}

async function checkProject(cwd: string): Promise<HostCheck[]> {
  try {
    const { dir } = await openProject(cwd);
    const { askController } = await import('../controller/node/control.ts');
    const now = await askController(dir, { do: 'status' });
    return [checkBehind(now), checkLapsed(now)];
  } catch (error) {
    if (['PROJECT_NOT_FOUND', 'CONTROLLER_NOT_RUNNING'].includes(codeOf(error))) return [];
    return [{ name: 'controller of this project', ok: false, found: escapeLine(messageOf(error), 500) }];
  }
}

function checkBehind({ behind = [] }: ControllerStatus): HostCheck {
  const name = 'versions of the workers of this project';
  if (behind.length === 0)
    return { name, ok: true, found: 'all that are connected read what the controller writes' };
  const named = behind.map(({ operator, role, says }) => `the ${role} of ${operator} ${says}`).join('; ');
  return { name, ok: false, found: escapeLine(named, 1000), fix: 'tell their operators to update Quorate' };
}

function checkLapsed({ lapsed = [] }: ControllerStatus): HostCheck {
  const name = 'revocations of this project';
  if (lapsed.length === 0) return { name, ok: true, found: 'all that counted before still count' };
  const fix = 'sign again what should: quorate revoke <what> --reason <text>';
  return { name, ok: false, found: escapeLine(sayLapsed(lapsed), 5000), fix };
}
