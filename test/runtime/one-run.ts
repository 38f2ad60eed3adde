/** Started as a process of its own: one run, a proper close, and then nothing may keep the process alive. */
import { segmentKey } from '../../shared/runtime/index.ts';
import { drawnImage, openRealBundle, segmentGraphs, startPool } from './real-bundle.ts';

const bundle = await openRealBundle();
const pool = await startPool(segmentGraphs(bundle), { workers: 2 });
const running = pool.run(segmentKey(bundle.manifest.id, 0), drawnImage(0), 1);
await pool.close();
await running;
process.stdout.write('closed\n');
