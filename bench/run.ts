// The benchmarks: `npm run bench` runs all, `npm run bench kernel` one, `-- --json` prints their tables, `-- --smoke` makes them short.
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { encodings } from './encodings/encodings.ts';
import { kernel } from './kernel/kernel.ts';
import { pipeline } from './pipeline.ts';
import { recordings } from './recordings/recordings.ts';
import { printTable, type Report, type Scale } from './report.ts';
import { sockets } from './sockets/sockets.ts';
import { tfjs } from './tfjs/tfjs.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, smoke: { type: 'boolean' } },
});
const benches: Record<string, (scale: Scale) => Promise<Report>> = { pipeline, kernel, recordings, encodings, sockets, tfjs };

for (const name of positionals.length > 0 ? positionals : Object.keys(benches)) {
  if (!Object.hasOwn(benches, name)) {
    console.error(`no benchmark "${name}"; there are ${Object.keys(benches).join(', ')}`);
    process.exit(2);
  }
  const { versions = {}, tables } = await benches[name]({ smoke: values.smoke ?? false });
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    ...versions,
  };
  if (values.json) console.log(JSON.stringify({ bench: name, machine, tables }));
  else {
    console.log(
      `${name}: ${Object.entries(machine)
        .map(([what, value]) => `${what} ${value}`)
        .join(', ')}`,
    );
    for (const table of tables) printTable(table);
  }
}
