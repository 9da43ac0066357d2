import type { Forge } from '../../forge/index.ts';
import { codeOf, messageOf, unreachable } from '../../protocol/base/errors.ts';
import type { WatchEffect, WatchEvent } from '../machine/events.ts';
import type { Connection } from './connection.ts';
import { mayPass, publishOrder } from './publish.ts';
import type { WatchedRepository } from './repository.ts';

export interface EffectPorts {
  repository: WatchedRepository;
  connection: Connection;
  /** Absent: statuses are told to nobody. */
  forge: Forge | undefined;
  home: string;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

type Performed = Exclude<WatchEffect, { kind: 'poll' }>;

/** Carries out one effect, and returns the event that answers it; undefined where the watcher ends. */
export async function perform(effect: Performed, ports: EffectPorts): Promise<WatchEvent | undefined> {
  try {
    return await act(effect, ports);
  } catch (error) {
    if (ports.signal.aborted) return undefined;
    return failure(effect, error);
  }
}

async function act(effect: Performed, ports: EffectPorts): Promise<WatchEvent> {
  const { connection, forge, signal } = ports;
  switch (effect.kind) {
    case 'publish': {
      const { id } = effect.order;
      const outcome = await connection.use((client) => publishOrder(client, effect.order, ports));
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
      await forge?.setStatus({ commit, context, ...status }, signal);
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
