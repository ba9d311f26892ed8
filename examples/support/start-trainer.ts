// The trainer of an example: in a directory of its own unless told, on the usual port unless that is taken.
import { type Trainer, type TrainerOptions, trainer } from 'gradwire/trainer';
import { freePort, freshDirectory } from './place.ts';

const usualPort = 8080;

/** What an example's trainer may be told. */
export interface StartOptions extends Omit<TrainerOptions, 'directory' | 'listen' | 'onError'> {
  /** Its name, for a fresh directory. */
  readonly example: string;
  readonly directory: string | undefined;
  readonly port: number | undefined;
  /** Further options of its server. */
  readonly listen?: Omit<NonNullable<TrainerOptions['listen']>, 'port'>;
  /** Hears, in one line, of snapshots that could not be written. */
  readonly trouble: (line: string) => void;
}

/** Starts it. Whoever asked closes it. */
export async function startTrainer({
  example,
  port,
  listen,
  trouble,
  ...options
}: StartOptions): Promise<{ t: Trainer; directory: string }> {
  const { directory = freshDirectory(example) } = options;
  const onError = (error: unknown): void => trouble(`a snapshot could not be written: ${String(error)}`);
  const served = { ...listen, port: port ?? (await freePort(usualPort)) };
  return { t: await trainer({ ...options, directory, listen: served, onError }), directory };
}
