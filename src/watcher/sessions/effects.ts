import { codeOf, messageOf, unreachable } from '../../protocol/base/errors.ts';
import type { WatchEffect, WatchEvent } from '../machine/events.ts';
import type { WatchClient, WatchPorts } from './ports.ts';

export type EffectPorts<C extends WatchClient = WatchClient> = Pick<
  WatchPorts<C>,
  'connection' | 'forge' | 'publish' | 'clock'
>;

type Performed = Exclude<WatchEffect, { kind: 'poll' | 'taken' }>;

/** Carries out one effect, and returns the event that answers it; undefined where the watcher ends. */
export async function perform<C extends WatchClient>(
  effect: Performed,
  ports: EffectPorts<C>,
): Promise<WatchEvent | undefined> {
  try {
    return await act(effect, ports);
  } catch (error) {
    if (ports.clock.closing) return undefined;
    return failure(effect, error);
  }
}

async function act<C extends WatchClient>(effect: Performed, ports: EffectPorts<C>): Promise<WatchEvent> {
  const { connection, forge, publish } = ports;
  switch (effect.kind) {
    case 'publish': {
      const { id } = effect.order;
      const outcome = await connection.use((client) => publish(client, effect.order));
      return { ...outcome, id };
    }
    case 'cancel':
      await connection.use(async (client) => {
        for (const run of effect.runs)
          await client.cancel(run, effect.reason).catch((error: unknown) => {
            // It has ended by itself, or with one that it needs.
            if (!['RUN_OVER', 'JOB_UNKNOWN'].includes(codeOf(error))) throw error;
          });
      });
      return { kind: 'cancelled', id: effect.id };
    case 'status': {
      const { key, commit, context, status } = effect;
      await forge?.setStatus({ commit, context, ...status });
      return { kind: 'status-set', key, status };
    }
    default:
      return unreachable(effect, 'effect');
  }
}

/** A final refusal of the forge: another try would come to the same. */
const isFinal = (error: unknown): boolean => codeOf(error) === 'FORGE_REFUSED';

function failure(effect: Performed, error: unknown): WatchEvent {
  const says = { code: codeOf(error), message: messageOf(error).slice(0, 500) };
  switch (effect.kind) {
    case 'publish':
      return { kind: 'refused', id: effect.order.id, ...says, again: mayPass(error) };
    case 'cancel':
      return { kind: 'cancel-failed', id: effect.id };
    case 'status':
      return { kind: 'status-failed', key: effect.key, message: says.message, again: !isFinal(error) };
    default:
      return unreachable(effect, 'effect');
  }
}

const passing =
  /^(CONTROLLER_|MESH_|DOC_EXPIRED|DOC_FROM_FUTURE|IMAGE_NOT_READY|SOURCE_(UNREACHABLE|STALLED|TIMEOUT|SERVER_ERROR|FAILED|DISK_FULL)|STORE_DISK_FULL|SANDBOX_|EGRESS_|DEPENDENCIES_|INTERNAL|GRANT_)/;

/** Whether what has failed may work later. */
const mayPass = (error: unknown): boolean => passing.test(codeOf(error));
