import type { Tell } from '../../node/node-events.ts';
import { readCharter, restoreCharter } from '../../owner/project-folder.ts';
import { openKeys } from '../../owner/project-keys.ts';
import { messageOf } from '../../protocol/base/errors.ts';
import type { ControllerContext } from './context.ts';
import { controllerNodeLimits } from './limits.ts';

/** The owner signs a new charter in the same folder; it is in force a second later. The result ends it. */
export function watchCharter(refresh: () => Promise<void>, tell: Tell): () => void {
  const look = () => refresh().catch((error) => tell('warn', 'charter', messageOf(error)));
  const timer = setInterval(look, controllerNodeLimits.charterLookMs);
  return () => clearInterval(timer);
}

/** Puts the charter in force into the folder, where that has one of before. */
export async function keepCharter({
  folder,
  machine,
  tell,
}: Pick<ControllerContext, 'folder' | 'machine' | 'tell'>): Promise<void> {
  if (await restoreCharter(folder.dir, machine.state.charter))
    tell(
      'warn',
      'charter',
      `charter.jws was a copy of before: the charter in force, of epoch ${machine.state.charter?.payload.epoch}, is there again. Sign once more what you changed since`,
    );
}

/** Takes the charter as it lies in the project's folder, where that one is newer, and says whether it is. @throws `CHARTER_…`, `DOC_…`, `HOME_…`. */
export async function refreshCharter({
  folder,
  machine,
  dispatch,
  tell,
}: ControllerContext): Promise<boolean> {
  const charter = await readCharter(folder.dir);
  if (charter === undefined || charter.payload.epoch <= (machine.state.charter?.payload.epoch ?? 0))
    return false;
  await dispatch({ kind: 'charter', charter });
  tell('info', 'charter', `the charter is now of epoch ${charter.payload.epoch}`);
  return true;
}

/** Whether another life would sign with other keys, by the charter in force. Of several identity providers the first at hand signs. */
export async function otherKeys({
  folder,
  machine,
}: Pick<ControllerContext, 'folder' | 'machine'>): Promise<boolean> {
  const charter = machine.state.charter?.payload;
  if (charter === undefined) return false;
  const { controllers, idps } = charter;
  if (!controllers.includes(folder.controller.id)) return true;
  if (!folder.holds.idp || idps[0] === folder.idp.id) return false;
  return !idps.includes(folder.idp.id) || (await openKeys(folder.dir, charter)).idp?.id !== folder.idp.id;
}
