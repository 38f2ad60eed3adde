import type { LinkSite, LiveLink } from './live-link.ts';

/** Device and server on one machine, with nothing between them. */
export async function openDirectSite(): Promise<LinkSite> {
  return {
    serverHost: '127.0.0.1',
    token: undefined,
    async startLink({ serverUrl }): Promise<LiveLink> {
      const { host } = new URL(serverUrl);
      return { cloudUrl: `ws://${host}`, enter: [], restart: () => {}, async stop() {} };
    },
    async close() {},
  };
}
