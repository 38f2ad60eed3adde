/**
 * Resolves with the name of the first SIGINT or SIGTERM. A second one ends the process at once, and by SIGKILL: leaving by
 * `process.exit` while a thread computes would abort with a core dump.
 */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let seen = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (seen) process.kill(process.pid, 'SIGKILL');
      seen = true;
      resolve(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
