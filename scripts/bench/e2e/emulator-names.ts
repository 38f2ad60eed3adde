/** What can stand in for a link: bytes of TCP connections, or packets between network namespaces. */
export const emulatorNames = ['stream', 'packet'] as const;
export type EmulatorName = (typeof emulatorNames)[number];
