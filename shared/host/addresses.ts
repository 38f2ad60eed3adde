import { BlockList, isIP } from 'node:net';
import { OfframpError } from '../errors.ts';

const groupsOfIpv6 = 8;
/** Whoever has one IPv6 address has all with the same first 64 bits. */
const groupsOfOwner = 4;

/**
 * What connections of one peer are counted under: an IPv4 address, also when it comes mapped into IPv6, or the first 64 bits of an
 * IPv6 address.
 */
export function addressKey(address: string): string {
  const plain = withoutZone(address).toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const left = groups(head);
  const zeros = plain.includes('::') ? groupsOfIpv6 - left.length - groups(tail).length : 0;
  const all = [...left, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...groups(tail)];
  const owner = all.slice(0, groupsOfOwner).map((group) => Number.parseInt(group, 16).toString(16));
  return `${owner.join(':')}::/64`;
}

/** The groups of one side of `::`; an IPv4 address at the end takes the place of two. */
function groups(part: string): string[] {
  return part === '' ? [] : part.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));
}

function withoutZone(address: string): string {
  return address.split('%')[0] ?? '';
}

/** The proxies whose `X-Forwarded-For` is believed. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /**
   * @param proxies addresses, or networks as `10.0.0.0/8`.
   * @throws OfframpError CONFIG_INVALID for anything else.
   */
  constructor(proxies: readonly string[]) {
    for (const proxy of proxies) this.#add(proxy);
  }

  trusts(address: string): boolean {
    const plain = withoutZone(address);
    const family = isIP(plain);
    return family !== 0 && this.#list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  }

  /**
   * Who is behind a connection: its own address, or, when that is a trusted proxy, the last address in `X-Forwarded-For` that
   * none of the trusted proxies has. What stands further left was written by the client and can be anything.
   */
  clientOf(remoteAddress: string, forwardedFor: string | undefined): string {
    const claimed = (forwardedFor ?? '').split(',').map((entry) => withoutPort(entry.trim()));
    let client = remoteAddress;
    for (const address of claimed.reverse()) {
      if (!this.trusts(client) || isIP(address) === 0) return client;
      client = address;
    }
    return client;
  }

  #add(proxy: string): void {
    const [address = '', prefix, more] = proxy.split('/');
    const family = isIP(address);
    const bits = prefix === undefined ? undefined : Number(prefix);
    const most = family === 4 ? 32 : 128;
    const wrongPrefix =
      bits !== undefined && !(/^\d{1,3}$/.test(prefix ?? '') && bits <= most && more === undefined);
    if (family === 0 || wrongPrefix) {
      const expected = 'an address, or a network as 10.0.0.0/8';
      throw new OfframpError('CONFIG_INVALID', `Trusted proxy '${proxy}', expected ${expected}`);
    }
    const type = family === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) this.#list.addAddress(address, type);
    else this.#list.addSubnet(address, bits, type);
  }
}

/** Some proxies write the port too. */
function withoutPort(entry: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(entry)?.[1];
  if (bracketed !== undefined) return bracketed;
  return /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(entry)?.[1] ?? entry;
}
