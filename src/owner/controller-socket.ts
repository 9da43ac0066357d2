import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { isInUse } from '../journal/copy.ts';
import { askControlSocket } from '../node/control-socket.ts';
import { codeOf, QuorateError } from '../protocol/base/errors.ts';
import { revocationSchema } from '../protocol/documents/index.ts';
import { ownerLimits } from './limits.ts';

export const requestSchema = z.discriminatedUnion('do', [
  /** `without`: an operator that is not counted, as if it were revoked. */
  z.object({ do: z.literal('status'), without: z.string().max(100).optional() }),
  z.object({ do: z.literal('revoked'), what: revocationSchema.shape.what }),
  z.object({ do: z.literal('members'), after: z.string().max(100).optional() }),
  z.object({ do: z.literal('drain'), limitMs: z.int().min(0).max(ownerLimits.drainMsMax) }),
]);
export type ControllerRequest = z.infer<typeof requestSchema>;

export const socketOf = (dir: string): string => join(dir, 'control', 'controller.sock');

export const journalFile = (dir: string): string => join(dir, 'controller.db');

/** The revocation of this that reaches furthest back; `index`: of its leaf. */
export interface RevokedAnswer {
  revoked: { since: number; reason: string; index: number; byRoot: boolean } | null;
}

export interface ControlWait {
  signal?: AbortSignal | undefined;
  waitMs?: number;
}

/**
 * Asks the controller that runs from this project folder. One that has its journal open and does not answer starts, ends or changes its
 * keys: it is asked again for `waitMs`.
 * @throws {QuorateError} `CONTROLLER_NOT_RUNNING`, `CONTROLLER_STARTING`, `CONTROL_LOST`, `CONTROL_REQUEST_INVALID`
 */
export async function askRunning<Answer>(
  dir: string,
  request: ControllerRequest,
  { signal, waitMs = ownerLimits.controlWaitMs }: ControlWait = {},
): Promise<Answer> {
  const limit = AbortSignal.timeout(waitMs);
  for (;;) {
    try {
      return (await askOnce(dir, request)) as Answer;
    } catch (error) {
      if (codeOf(error) !== 'CONTROLLER_NOT_RUNNING' || !isInUse(journalFile(dir))) throw error;
      if (limit.aborted)
        throw new QuorateError(
          'CONTROLLER_STARTING',
          'a controller has its journal open and does not answer yet: it starts or ends',
          { hint: 'Ask again in a minute. Its own messages say what it does.', cause: error },
        );
    }
    await sleep(ownerLimits.controlAgainMs, undefined, { signal });
  }
}

/** The same; undefined where none runs from here, so that nobody knows. `others`: further codes that mean it. */
export async function askIfRunning<Answer>(
  dir: string,
  request: ControllerRequest,
  ...others: readonly string[]
): Promise<Answer | undefined> {
  try {
    return await askRunning<Answer>(dir, request);
  } catch (error) {
    const unknown = ['CONTROLLER_NOT_RUNNING', 'CONTROLLER_STARTING', 'CONTROL_LOST', ...others];
    if (unknown.includes(codeOf(error))) return undefined;
    throw error;
  }
}

const askOnce = (dir: string, request: ControllerRequest): Promise<unknown> =>
  askControlSocket(socketOf(dir), request, {
    process: 'controller',
    absent: (path, cause) =>
      new QuorateError('CONTROLLER_NOT_RUNNING', `no controller answers at ${path}`, {
        hint: 'Start it: quorate controller, or quorate up. One of another account is asked by that account.',
        cause,
      }),
  });
