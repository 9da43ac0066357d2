export { expandTemplates } from './expand.ts';
export { pipelineLimits } from './limits.ts';
export { type CommitFacts, type Plan, planPipeline, type Skipped, skipText } from './plan.ts';
export type { Instance, Need, PipelineFault, Template } from './template.ts';
