/** What is done for a trace must never be felt by the service: it fails in silence, and the trace ends there. */
export function guard<A extends unknown[]>(action: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      action(...args);
    } catch {
      // Nobody in the service could do anything about it.
    }
  };
}
