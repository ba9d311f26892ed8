// The benchmarks: `npm run bench` runs all, `npm run bench -- pipeline` one, `--json` prints their rows, `--smoke` makes them short.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { pipeline, type Row } from './pipeline.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, smoke: { type: 'boolean' } },
});
const benches: Record<string, (scale: { seconds: number }) => Promise<Row[]>> = { pipeline };

for (const name of positionals.length > 0 ? positionals : Object.keys(benches)) {
  if (benches[name] === undefined) {
    console.error(`no benchmark "${name}"; there are ${Object.keys(benches).join(', ')}`);
    process.exit(2);
  }
  const rows = await benches[name]({ seconds: values.smoke ? 0.2 : 3 });
  if (values.json)
    console.log(JSON.stringify({ bench: name, node: process.version, cpu: cpus()[0]?.model, cores: cpus().length, rows }));
  else {
    console.log(`${name}: Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}`);
    console.table(Object.fromEntries(rows.map(({ what, ...figures }) => [what, figures])));
  }
}
