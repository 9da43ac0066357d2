import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Channel, type Mesh, type MeshOptions, openMesh } from '../../src/mesh/index.ts';

/** Opens a node on a free port of the loopback address; closed after the test. */
export async function node(options: Partial<MeshOptions> = {}): Promise<Mesh> {
  const mesh = await openMesh({
    key: randomBytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    bootstrap: [],
    topics: ['jobs'],
    role: 'node',
    ...options,
  });
  onTestFinished(() => mesh.close());
  return mesh;
}

export const bootstrapNode = (options: Partial<MeshOptions> = {}): Promise<Mesh> =>
  node({ role: 'bootstrap', topics: [], ...options });

export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'quorate-mesh-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for a condition, never longer than `ms`; says what it waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 120_000,
): Promise<void> {
  const end = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for: ${what}`);
    await sleep(20);
  }
}

/** The code of the error a promise fails with; undefined when it does not fail. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? `no code: ${String(error)}`;
  }
}

export const soon = (ms = 120_000): AbortSignal => AbortSignal.timeout(ms);

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array | undefined): string => new TextDecoder().decode(data);

export async function echo(channel: Channel): Promise<void> {
  for (;;) {
    const message = await channel.receive();
    if (message === undefined) return;
    await channel.send(message);
  }
}

/** Messages on a topic from now on. */
export function collect(mesh: Mesh, topic = 'jobs'): Set<string> {
  const heard = new Set<string>();
  mesh.subscribe(topic, (_from, data) => heard.add(text(data)));
  return heard;
}

export const subscribers = (mesh: Mesh, topic = 'jobs'): number => {
  const services = mesh.libp2p.services as { pubsub?: { getSubscribers: (topic: string) => unknown[] } };
  return services.pubsub?.getSubscribers(topic).length ?? 0;
};

/** The next time a node looks at its neighbours, up to a second later: their scores, and whom it passes messages on to. What was sent before has arrived by then. */
export function heartbeat({ libp2p }: { libp2p: Mesh['libp2p'] }): Promise<unknown> {
  const { pubsub } = libp2p.services as { pubsub?: EventTarget };
  if (pubsub === undefined) throw new Error('a node without topics has no heartbeat');
  return new Promise((resolve) => pubsub.addEventListener('gossipsub:heartbeat', resolve, { once: true }));
}

/** Subscribers this node passes others' messages on to: within a second of their subscription all of them. */
export const relaysTo = (mesh: Mesh, topic = 'jobs'): number => {
  const services = mesh.libp2p.services as { pubsub?: { getMeshPeers: (topic: string) => string[] } };
  return services.pubsub?.getMeshPeers(topic).length ?? 0;
};
