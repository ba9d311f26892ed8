// Stopping a command: the first SIGINT or SIGTERM ends it in order, the second at once.

/** Resolves at the first SIGINT or SIGTERM. A second one exits with 130. */
export function stopped(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const ask = (): void => {
      if (asked) process.exit(130);
      asked = true;
      resolve();
    };
    process.on('SIGINT', ask);
    process.on('SIGTERM', ask);
  });
}
