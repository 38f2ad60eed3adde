const polynomial = 0x1021;

const remainders = Uint16Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte << 8;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder & 0x8000) === 0 ? remainder << 1 : (remainder << 1) ^ polynomial;
  }
  return remainder;
});

/**
 * CRC-16/GENIBUS of the first `length` bytes: polynomial x^16 + x^12 + x^5 + 1, start 0xffff, result inverted, no
 * reflection; "123456789" gives 0xd64e.
 *
 * It finds every burst of up to 16 bits, hence every single flipped bit, and any three flipped bits in up to 4095 bytes;
 * anything else, a cut stream included, slips through once in 65536. The inversion matters for the latter: without it
 * two zero bytes could be put behind any valid stream.
 */
export function crc16(bytes: Uint8Array, length: number): number {
  let remainder = 0xffff;
  for (let index = 0; index < length; index++) {
    const byte = bytes[index] ?? 0;
    remainder = ((remainder << 8) & 0xff00) ^ (remainders[(remainder >>> 8) ^ byte] ?? 0);
  }
  return remainder ^ 0xffff;
}
