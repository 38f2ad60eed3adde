// A process with nothing to do, for comparison: for each line on stdin it prints, like the servers' gauge, the largest event
// loop delay in seconds since the last one.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';

const histogram = monitorEventLoopDelay({ resolution: 10 });
histogram.enable();
createInterface({ input: process.stdin }).on('line', () => {
  process.stdout.write(`${histogram.max / 1e9}\n`);
  histogram.reset();
});
