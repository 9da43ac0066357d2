/** One check of whether a process can do its work. */
export interface HealthCheck {
  /** A word of the process's own, such as `journal`. */
  name: string;
  /** Why it cannot, in one sentence; undefined while it can. */
  trouble(): string | undefined | Promise<string | undefined>;
}

/** Whether others can dial this node. */
export const meshCheck = (mesh: { addresses(): string[] }): HealthCheck => ({
  name: 'mesh',
  trouble: () =>
    mesh.addresses().length > 0 ? undefined : 'it listens at no address that others could dial',
});

/** `live`: where one fails, only a restart helps. `ready`: where one fails, the process does not do all of its work at the moment. */
export interface HealthChecks {
  live: readonly HealthCheck[];
  ready: readonly HealthCheck[];
}
