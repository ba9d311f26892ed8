// Small messages that are sent in one go, such as the answers to batches that came in one read, leave in one write.
import type { Socket } from 'node:net';

/** The same `send`, over `raw`: what is written from its first call on is held back until whatever runs then has ended. */
export function heldForTick<Parameters extends unknown[]>(
  raw: Socket,
  send: (...parameters: Parameters) => void,
): (...parameters: Parameters) => void {
  let isHeld = false;
  const release = (): void => {
    isHeld = false;
    raw.uncork();
  };
  return (...parameters) => {
    if (!isHeld) {
      isHeld = true;
      raw.cork();
      process.nextTick(release);
    }
    send(...parameters);
  };
}
