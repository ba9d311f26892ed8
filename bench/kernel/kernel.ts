// One step of the optimizer, taken apart: its speed beside its peers, and what variants, layers, rows, heap and threads cost.
import type { Report, Scale } from '../report.ts';
import { handoverTable } from './handover.ts';
import { heapTable } from './heap.ts';
import { overheadTable } from './overheads.ts';
import { plainTables } from './plain.ts';
import { rowsTable } from './rows.ts';
import { variantTables } from './variants.ts';

/** All tables, one after the other: about three minutes, or seconds where `smoke` is true. */
export async function kernel(scale: Scale): Promise<Report> {
  // the small ones first: the large sizes leave a heap behind
  const small = [await overheadTable(scale), await rowsTable(scale), heapTable(scale), await handoverTable(scale)];
  const { tables, versions } = await plainTables(scale);
  const [overhead, rows, heap, handover] = small;
  return { versions, tables: [...tables, ...(await variantTables(scale)), overhead, rows, heap, handover] };
}
