/**
 * Files of tests that `npm test` leaves out. Each repeats, with another tier or against every guard, what a cheaper file
 * proves there once. `npm run test:all` runs all of them, `.ci/run` one slice (scripts/slice.ts). The number is the
 * processor time of a file in seconds; slices are balanced by it.
 */
export const matrices: Readonly<Record<string, number>> = {
  'test/attacks/hooks/lying-controller.test.ts': 12,
  'test/attacks/mesh/gossip.test.ts': 11,
  'test/attacks/sandbox/by-tools.test.ts': 20,
  'test/attacks/sandbox/emulated-guest.test.ts': 60,
  'test/attacks/sandbox/emulated-network.test.ts': 120,
  'test/attacks/sandbox/emulated.host.test.ts': 120,
  'test/attacks/sandbox/emulated.outputs.test.ts': 180,
  'test/attacks/sandbox/emulated.resources.test.ts': 180,
  'test/attacks/sandbox/gvisor-network.test.ts': 48,
  'test/attacks/sandbox/gvisor.host.test.ts': 19,
  'test/attacks/sandbox/gvisor.outputs.test.ts': 43,
  'test/attacks/sandbox/gvisor.resources.test.ts': 60,
  'test/bad-input/flipped-bits.test.ts': 60,
  'test/bad-input/interrupts-with-controller.test.ts': 20,
  'test/bad-input/output.test.ts': 20,
  'test/browser/lender-page.test.ts': 30,
  'test/browser/project-pages.test.ts': 60,
  'test/browser/sign-in.test.ts': 15,
  'test/browser/verify-page.test.ts': 20,
  'test/chaos/crashes.test.ts': 24,
  'test/chaos/faults.test.ts': 45,
  'test/chaos/killed-pipeline.test.ts': 45,
  'test/chaos/killed-workers.test.ts': 24,
  'test/chaos/restarts.test.ts': 12,
  'test/cli/diffoscope-limits.test.ts': 25,
  'test/cli/doctor-emulated.test.ts': 120,
  'test/cli/try-dependencies.test.ts': 30,
  'test/cli/try-options.test.ts': 10,
  'test/cli/try-vary.test.ts': 18,
  'test/dependencies/tools/debian-tools.test.ts': 25,
  'test/dependencies/tools/npm.test.ts': 10,
  'test/dependencies/tools/registry-tools.test.ts': 12,
  'test/deploy/container.test.ts': 65,
  'test/e2e/cargo-go-pip.test.ts': 75,
  'test/e2e/debian-project.test.ts': 10,
  'test/e2e/dependencies.test.ts': 20,
  'test/e2e/five-processes.test.ts': 150,
  'test/e2e/grants.test.ts': 12,
  'test/e2e/growth.test.ts': 90,
  'test/e2e/hooks.test.ts': 14,
  'test/e2e/images.test.ts': 25,
  'test/e2e/many-runs.test.ts': 90,
  'test/e2e/restores.test.ts': 75,
  'test/e2e/npm-projects.test.ts': 150,
  'test/e2e/operations.test.ts': 30,
  'test/e2e/ordinary-volunteer.test.ts': 15,
  'test/e2e/pagure.test.ts': 60,
  'test/e2e/revoke.test.ts': 40,
  'test/e2e/root-change.test.ts': 10,
  'test/e2e/rotation.test.ts': 34,
  'test/e2e/store.test.ts': 9,
  'test/e2e/tampering.test.ts': 17,
  'test/e2e/try-input.test.ts': 14,
  'test/e2e/upgrade.test.ts': 60,
  'test/e2e/versions.test.ts': 75,
  'test/e2e/watch.test.ts': 30,
  'test/e2e/weaker-tier.test.ts': 20,
  'test/e2e/witnesses.test.ts': 10,
  'test/examples/embed.test.ts': 12,
  'test/examples/forge-demo.test.ts': 60,
  'test/examples/packed.test.ts': 22,
  'test/examples/page-of-dependencies.test.ts': 60,
  'test/examples/page-of-hooks.test.ts': 5,
  'test/examples/page-of-pipelines.test.ts': 10,
  'test/examples/pipeline-demo.test.ts': 110,
  'test/examples/quick-start.test.ts': 29,
  'test/examples/self-demo.test.ts': 240,
  'test/fuzz/long-fuzz.test.ts': 130,
  'test/fuzz/runner.test.ts': 13,
  'test/homes/left.test.ts': 12,
  'test/homes/started.test.ts': 15,
  'test/http/promtool.test.ts': 3,
  'test/image/debian-twice.test.ts': 45,
  'test/keys/online.test.ts': 60,
  'test/mesh/thousand-workers.test.ts': 120,
  'test/proof/interop.test.ts': 8,
  'test/proof/mutation-whole.test.ts': 50,
  'test/proof/npm-pack.test.ts': 38,
  'test/runtime/images/registry.test.ts': 6,
  'test/sandbox/gvisor/contract.test.ts': 45,
  'test/sandbox/gvisor/leftovers.test.ts': 14,
  'test/sandbox/gvisor/steering.test.ts': 23,
  'test/sandbox/namespace/beyond-memory.test.ts': 8,
  'test/sandbox/namespace/by-tools.test.ts': 25,
  'test/sandbox/native/fuzz.test.ts': 30,
  'test/sandbox/native/reproduced.test.ts': 3,
  'test/sandbox/vm/left-emulated.test.ts': 60,
  'test/sandbox/vm/probe-emulated.test.ts': 120,
  'test/sandbox/vm/steering-emulated.test.ts': 87,
  'test/sandbox/vm/vm-emulated.test.ts': 240,
  'test/simulations/grants.test.ts': 20,
  'test/simulations/main.test.ts': 12,
  'test/simulations/more-faults.test.ts': 75,
  'test/simulations/pipeline-crashes.test.ts': 130,
  'test/simulations/seeds-101-350.test.ts': 260,
  'test/simulations/seeds-351-600.test.ts': 260,
  'test/simulations/seeds-601-850.test.ts': 260,
  'test/simulations/seeds-851-1100.test.ts': 260,
  'test/simulations/session-bugs.test.ts': 75,
  'test/simulations/slow-bugs.test.ts': 50,
  'test/tiers/two-projects-emulated.test.ts': 240,
  'test/transfer/memory.test.ts': 10,
};

/** Four minutes of two processors. */
const sliceSeconds = 480;

/** The matrices in parts of about the same time, none longer than `seconds` unless one file is; always the same parts. */
export function slicesOf(files: Readonly<Record<string, number>>, seconds = sliceSeconds): string[][] {
  const longestFirst = Object.entries(files).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const total = longestFirst.reduce((sum, [, each]) => sum + each, 0);
  for (let count = Math.ceil(total / seconds); ; count++) {
    const slices = Array.from({ length: count }, () => ({ seconds: 0, files: [] as string[] }));
    for (const [file, each] of longestFirst) {
      const shortest = slices.reduce((least, slice) => (slice.seconds < least.seconds ? slice : least));
      shortest.seconds += each;
      shortest.files.push(file);
    }
    if (slices.every((slice) => slice.seconds <= seconds || slice.files.length === 1))
      return slices.filter((slice) => slice.files.length > 0).map((slice) => slice.files.sort());
  }
}
