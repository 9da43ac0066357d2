import { join } from 'node:path';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { programFolder, quietFlag } from '../../support/program.ts';
import { AnyCluster, type ClusterOptions, type CommandPlace, newGround } from './any-cluster.ts';
import { Proc } from './processes.ts';

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

  protected async startBootstrap(): Promise<string> {
    const program = [quietFlag, join(programFolder, 'bootstrap.js')];
    const args = [...program, '--listen', '/ip4/127.0.0.1/tcp/0', '--json'];
    this.bootstrap = new Proc('bootstrap', process.execPath, args, { cwd: this.dir, env: this.env });
    const { addresses } = await this.bootstrap.event('listening');
    return String((addresses as string[])[0]);
  }
}
