export type { SandboxErrorCode } from './error-codes.ts';
export { findTool } from './host.ts';
export { combineSandboxes, hasJobs, openSandbox, openSandboxes, probe, removeLeftovers } from './open.ts';
export { type ShellWindow, shellStep } from './run/shell.ts';
export { openToolSandbox, type ToolOptions, type ToolSandbox } from './tool/index.ts';
export {
  type ProbeWatch,
  type Sandbox,
  type SandboxAbilities,
  type SandboxCaps,
  type SandboxDependencies,
  type Sandboxes,
  type SandboxImage,
  type SandboxIo,
  type SandboxJob,
  type SandboxLimits,
  type SandboxOutcome,
  type SandboxPriority,
  type SandboxVariation,
  type SourceCommit,
  type Steering,
  type Tier,
  tiers,
} from './types.ts';
