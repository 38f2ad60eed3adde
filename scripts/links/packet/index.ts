export { kernelCongestion } from './kernel-congestion.ts';
export {
  keepServerAddress,
  type PacketCounts,
  PacketLink,
  type PacketLinkOptions,
  type PacketLinkPlaces,
  type PacketLinkSummary,
  packetLinkLacking,
  type ServerAddress,
} from './packet-link.ts';
