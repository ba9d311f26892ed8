// Ctrl-C and SIGTERM: the first asks the run to end cleanly, a second one ends the process at once.

// npm hands the Ctrl-C of a terminal to its child a second time: what follows this soon is the same one
const sameInterruptMs = 400;

/** A signal that aborts at the first SIGINT or SIGTERM. At a second one `atOnce` is called and the process ends. */
export function onInterrupt(atOnce: () => void): AbortSignal {
  const interrupt = new AbortController();
  let first: number | undefined;
  const handle = (): void => {
    if (first === undefined) {
      first = performance.now();
      interrupt.abort();
    } else if (performance.now() - first > sameInterruptMs) {
      atOnce();
      process.exit(130);
    }
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return interrupt.signal;
}
