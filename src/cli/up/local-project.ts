import { dirname, join } from 'node:path';
import { openSandboxes } from '../../../sandbox/index.ts';
import { type ControllerNode, startController } from '../../controller/node/node.ts';
import type { NodePorts } from '../../node/kernel/open-node.ts';
import { type Home, openHome } from '../../node/membership/home.ts';
import { byPeer, joinProject } from '../../node/membership/join.ts';
import type { NodeEvent } from '../../node/node-events.ts';
import { machineTime } from '../../node/ports.ts';
import { issueTicket, type ProjectFolder } from '../../owner/project-folder.ts';
import { codeOf, QuorateError } from '../../protocol/base/errors.ts';
import { shellWord } from '../../protocol/base/shell-word.ts';
import type { Membership } from '../../protocol/sessions/credentials.ts';
import type { Offer } from '../../worker/commands/joining.ts';
import { startWorker, type WorkerNode } from '../../worker/node/node.ts';

const loopback = '/ip4/127.0.0.1/tcp/0';
/** The ticket is used at once. */
const ticketSeconds = 600;

interface LocalMember {
  name: string;
  role: 'worker' | 'trusted-worker';
  home: Home;
  /** Undefined before its first start. */
  known: Membership | undefined;
}

/** The machines that this one plays, the trusted worker last. Their homes are below `upDir`. */
export async function localMembers(
  upDir: string,
  project: string,
  operators: number,
): Promise<LocalMember[]> {
  const names = Array.from({ length: operators }, (_, at) => `local-${at + 1}`);
  return Promise.all(
    [...names, 'local-trusted'].map(async (name) => {
      const home = openHome(join(upDir, name));
      const known = (await home.memberships()).find((one) => one.project === project);
      return { name, role: name === 'local-trusted' ? 'trusted-worker' : 'worker', home, known };
    }),
  );
}

interface LocalOptions {
  folder: ProjectFolder;
  members: readonly LocalMember[];
  offer: Offer;
  /** Of all workers: the guards of a tier are looked at once. */
  sandboxDir: string;
  signal: AbortSignal;
  /** `node`: the name of a member, or `controller`. */
  onEvent(node: string, event: NodeEvent): void;
  onFailure(error: unknown): void;
  onRekeyed(): void;
  tell(says: string): void;
}

/** Nodes that are open, in the order of their start. */
export class LocalProject {
  readonly controller: ControllerNode;
  readonly #workers: WorkerNode[] = [];
  /** Whether one of them has the sandbox of the offer. */
  #isOffered = false;

  private constructor(controller: ControllerNode) {
    this.controller = controller;
  }

  /** Starts the controller; `join` starts the others. */
  static async start(options: LocalOptions): Promise<LocalProject> {
    const { folder, onRekeyed } = options;
    const ports = portsOf(options, 'controller');
    const rest = { announce: [], bootstrap: [], onRekeyed };
    return new LocalProject(await startController({ ...ports, folder, listen: [loopback], ...rest }));
  }

  /** Lets all members join, and start to work; those that did before first, since the controller asks them what its log was. */
  async join(options: LocalOptions): Promise<void> {
    const { members } = options;
    await this.#start(
      members.filter(({ known }) => known !== undefined),
      options,
    );
    await this.#start(
      members.filter(({ known }) => known === undefined),
      options,
    );
  }

  async #start(members: readonly LocalMember[], options: LocalOptions): Promise<void> {
    const { offer, sandboxDir } = options;
    const ready: Parameters<typeof startWorker>[0][] = [];
    // One after another: the ticket of the trusted worker changes the charter.
    for (const member of members) {
      const time = member.known === undefined ? machineTime() : undefined;
      const membership = await this.#membershipOf(member, options);
      const { tiers } = offer.sandboxes;
      const sandboxes = this.#isOffered ? await openSandboxes(sandboxDir, { tiers }) : offer.sandboxes;
      this.#isOffered = true;
      // The owner of the project is that of the machine.
      const rules = { ...offer.rules, hosts: 'any' as const };
      const ports = portsOf(options, member.name);
      const { home } = member;
      const { lending } = offer;
      ready.push({ ...ports, home, membership, listen: [loopback], lending, rules, sandboxes, time });
    }
    await Promise.all(ready.map(async (one) => this.#workers.push(await startWorker(one))));
  }

  async #membershipOf(
    { name, role, home, known }: LocalMember,
    { folder, signal, tell }: LocalOptions,
  ): Promise<Membership> {
    // The controller listens at another port each time.
    if (known !== undefined) return { ...known, controllers: byPeer(this.controller.addresses()) };
    const key = role === 'trusted-worker' ? (await home.key()).id : undefined;
    const wanted = {
      operator: name,
      role,
      hosts: 1,
      seconds: ticketSeconds,
      ...(key !== undefined && { key }),
    };
    const { ticket } = await issueTicket(folder, wanted);
    return joinProject({ home, ticket, signal, tell }).catch((cause: unknown) => {
      if (codeOf(cause) !== 'CONTROLLER_ASKING') throw cause;
      const homes = dirname(home.dir);
      throw new QuorateError(
        'CONTROLLER_ASKING',
        `homes below ${homes} are gone, and only they knew its log`,
        { hint: `To begin anew: rm -r ${shellWord(homes)}`, cause },
      );
    });
  }

  /** Ends all builds and nodes at once. */
  async close(): Promise<void> {
    const nodes = [...this.#workers, this.controller];
    const failed = (await Promise.allSettled(nodes.map((node) => node.close()))).find(
      ({ status }) => status === 'rejected',
    );
    if (failed?.status === 'rejected') throw failed.reason;
  }
}

const portsOf = ({ signal, onEvent, onFailure }: LocalOptions, node: string): NodePorts => ({
  signal,
  onFailure,
  onEvent: (event) => onEvent(node, event),
});
