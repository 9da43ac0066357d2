import { join } from 'node:path';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { programFolder, quietFlag } from '../../support/program.ts';
import { AnyCluster, type ClusterOptions, type CommandPlace, newGround } from './any-cluster.ts';
import { Proc } from './processes.ts';
import type { Told } from './told.ts';

/** An emulated machine is tried out before its worker begins, as long as that may take. */
const emulatedMs = (sandboxLimits.emulatedProbeSecondsMax + 60) * 1000;

/** Each machine and each command is a process of its own, started through the real command line. */
export class Cluster extends AnyCluster<Proc> {
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(await newGround(), options);
    await cluster.open(options);
    return cluster;
  }

  start(name: string, args: string[], place?: CommandPlace): Proc {
    return this.spawn(name, args, place);
  }

  join(name: string, ticket?: string, more: string[] = []): Promise<Proc> {
    const node = this.start(name, this.joinWords(ticket, more), { home: name, cwd: this.dir });
    return this.joined(node, more.includes('vm-emulated') ? emulatedMs : undefined);
  }

  protected startBootstrap(): Promise<string> {
    return bootstrapProcess(this);
  }
}

/** Starts a bootstrap node for this cluster, and gives its address. */
async function bootstrapProcess(cluster: AnyCluster<Told>): Promise<string> {
  const program = [quietFlag, join(programFolder, 'bootstrap.js')];
  const args = [...program, '--listen', '/ip4/127.0.0.1/tcp/0', '--json'];
  const { dir: cwd, env } = cluster;
  const node = new Proc('bootstrap', process.execPath, args, { cwd, env });
  cluster.bootstrap = node;
  const { addresses } = await node.event('listening');
  return String((addresses as string[])[0]);
}

/**
 * Bootstrap node, controller, the volunteer `ada` and each command that is started are processes, as of `Cluster`. The other machines join
 * in the process of the tests: one process of a kind proves what a process is needed for.
 */
export class MixedCluster extends AnyCluster<Told> {
  static async start(options: ClusterOptions): Promise<MixedCluster> {
    const cluster = new MixedCluster(await newGround(), options);
    await cluster.open(options);
    return cluster;
  }

  start(name: string, args: string[], place?: CommandPlace): Proc {
    return this.spawn(name, args, place);
  }

  join(name: string, ticket?: string, more: string[] = []): Promise<Told> {
    const place = { home: name, cwd: this.dir };
    const words = this.joinWords(ticket, more);
    return this.joined(name === 'ada' ? this.start(name, words, place) : this.inside(name, words, place));
  }

  protected startBootstrap(): Promise<string> {
    return bootstrapProcess(this);
  }
}
