/**
 * Resolves with the name of the first SIGINT or SIGTERM; the end of a parent process that started this one with an IPC channel
 * counts as SIGTERM, so that nothing is left running behind it. A second signal ends the process at once, and by SIGKILL: leaving by
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
    process.once('disconnect', () => resolve('SIGTERM'));
    // A listener would keep the process alive for as long as its parent is.
    process.channel?.unref();
  });
}
