// Starts a worker or replica process beside this one and says how it ended.
import { type ChildProcess, fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Failure } from './child.ts';

/** A process of the run. `ended` gives undefined where it ended as it should, otherwise the reason in one line. */
export interface Member<FromChild, ToChild> {
  readonly name: string;
  send(message: ToChild): void;
  /** Lets the process go: it ends by itself once its channel is closed. */
  dismiss(): void;
  /** Ends it at once, in the middle of whatever it does. */
  kill(): void;
  readonly ended: Promise<string | undefined>;
  onMessage(listener: (message: FromChild) => void): void;
}

/** Forks `worker` or `replica` beside the module at `beside` with these arguments; `number` tells it from others of its role. */
export function startMember<FromChild, ToChild extends object>(
  beside: string,
  { role, number, args }: { role: 'worker' | 'replica'; number: number; args: readonly string[] },
): Member<FromChild, ToChild> {
  const script = fileURLToPath(new URL(`./${role}${extname(beside)}`, beside));
  // detached: Ctrl-C in the terminal reaches this process alone, and the others finish what they have begun
  const child = fork(script, args, { serialization: 'advanced', detached: true });
  const name = `${role} ${number}`;
  return {
    name,
    send: (message) => void (child.connected && child.send(message)),
    dismiss: () => void (child.connected && child.disconnect()),
    kill: () => void child.kill('SIGKILL'),
    ended: howItEnded(child, name),
    onMessage: (listener) => void child.on('message', listener),
  };
}

function howItEnded(child: ChildProcess, name: string): Promise<string | undefined> {
  let failure: string | undefined;
  child.on('message', (message: Failure | { type: '' }) => {
    if (message.type === 'failed') failure = message.text;
  });
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(`${name}: ${error.message}`));
    child.on('exit', (code, signal) => {
      if (failure !== undefined) resolve(`${name}: ${failure}`);
      else if (signal !== null) resolve(`${name} was ended by ${signal}`);
      else resolve(code === 0 ? undefined : `${name} ended with exit code ${code}`);
    });
  });
}
