import { keepServerAddress, PacketLink, packetLinkLacking } from '../../links/packet/index.ts';
import { milliseconds, say } from '../../output.ts';
import type { LinkNeeds, LiveLink } from './live-link.ts';

export { keepServerAddress, packetLinkLacking };

/** Of packets one in a hundred may be so late before it is said: then the link is not what the results say that it was. */
const sayLateMs = 2;

let links = 0;

/**
 * A link between a network namespace of the device's own and the server, packet by packet. The server has to listen on an address
 * of {@link keepServerAddress}: any other one of this machine is not to be reached from the namespace.
 * @throws OfframpError NOT_SUPPORTED where there can be no such link.
 */
export async function startPacketLink({
  serverUrl,
  link,
  seed,
  startAtMs,
  congestion,
}: LinkNeeds): Promise<LiveLink> {
  const { hostname, host } = new URL(serverUrl);
  const namespace = `offramp-bench-${process.pid}-${links++}`;
  const packetLink = await PacketLink.start({
    link,
    namespace,
    server: hostname,
    seed,
    startAtMs,
    congestion,
  });
  return {
    cloudUrl: `ws://${host}`,
    enter: packetLink.enter,
    restart: () => packetLink.restart(),
    async stop() {
      const { lateMs } = await packetLink.stop();
      if (lateMs.p99 <= sayLateMs) return;
      say(
        `${namespace}: one packet in a hundred was over ${milliseconds(lateMs.p99)} later than the link ${link.name} says.`,
      );
    },
  };
}
