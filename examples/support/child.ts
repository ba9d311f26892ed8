// The frame around a worker or replica process: it ends with its parent, and a failure reaches the parent as one line.

/** Why a process ends early, in one line. */
export interface Failure {
  readonly type: 'failed';
  readonly text: string;
}

/** Sends a message to the parent process. */
export function tell<Message extends object>(message: Message, sent?: () => void): void {
  process.send?.(message, undefined, undefined, () => sent?.());
}

/** Runs a child's program. Whatever ends it early is told to the parent in one line; without a parent it ends at once. */
export function runChild(main: () => Promise<void>): void {
  const fail = (error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    tell<Failure>({ type: 'failed', text }, () => process.exit(1));
  };
  process.on('uncaughtException', fail);
  process.on('disconnect', () => process.exit());
  if (process.connected) main().catch(fail);
}
