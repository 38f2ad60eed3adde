/** Said to `offramp emulate` through the IPC channel of whoever started it: begin the link's time anew. */
export const restartMessage = 'restart';
/** What is heard when that is done. */
export const restartedMessage = 'restarted';
