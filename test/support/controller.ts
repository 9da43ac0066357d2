import {
  type ControllerNode,
  type ControllerOptions,
  startController,
} from '../../src/controller/node/node.ts';
import type { ProjectFolder } from '../../src/owner/project-folder.ts';

/** A controller on the loopback that tells nobody what it does. */
export const loopbackController = (
  folder: ProjectFolder,
  port = 0,
  more: Partial<ControllerOptions> = {},
): Promise<ControllerNode> =>
  startController({
    folder,
    listen: [`/ip4/127.0.0.1/tcp/${port}`],
    announce: [],
    bootstrap: [],
    onEvent: () => {},
    onRekeyed: () => {},
    onFailure: () => {},
    ...more,
  });
