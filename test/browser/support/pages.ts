import { freePort } from '../../../examples/demo/free-port.ts';
import { LocalCluster } from '../../e2e/support/local-cluster.ts';

/** A job whose log has that many lines, some of them coloured, and whose artifact is a program with a text beside it. */
export const jobWithLog = (lines: number): string => `jobs:
  build:
    image: host
    run:
      - name: Compile
        run: |
          i=0
          while [ $i -lt ${lines} ]; do i=$((i + 1)); printf '\\033[32mok\\033[0m  module %05d: compiled, 0 warnings\\n' $i; done
      - name: Package
        run: |
          mkdir -p "$OUT/bin" "$OUT/share"
          printf '#!/bin/sh\\necho hello\\n' > "$OUT/bin/hello"
          chmod 755 "$OUT/bin/hello"
          echo 'Read me first.' > "$OUT/share/README"
    outputs: [bin, share]
    limits: {cpus: 1, memory: 256MiB, disk: 64MiB, time: 10m}
    trust: {agree: 2, of: 3, cosign: required, rounds: 1}
`;

/** A project with three operators and a trusted worker, whose controller serves its pages at `url`. */
export async function projectWithPages(): Promise<{ cluster: LocalCluster; url: string }> {
  const port = await freePort();
  const cluster = await LocalCluster.start({
    slotWait: '5s',
    volunteers: ['ada', 'bob', 'cyd'],
    trusted: true,
    controllerArgs: ['--http', `127.0.0.1:${port}`],
  });
  return { cluster, url: `http://127.0.0.1:${port}` };
}

/** Publishes a job and waits for its trusted verdict. Returns the run and the CID of its artifact. */
export async function trustedRun(
  cluster: LocalCluster,
  name: string,
  job: string,
): Promise<{ run: string; artifact: string }> {
  const node = await cluster.submit(await cluster.git.commit(name, { 'quorate.yaml': job }));
  const { code } = await node.end();
  if (code !== 0) throw new Error(`the run did not become trusted:\n${node.report()}`);
  const { artifact } = await cluster.show(node.run);
  return { run: node.run, artifact };
}
