const shades = ' .:-=+*#%@';

/** Draws pixels, uint8 [height, width, channels], with characters, two rows a line so that the picture keeps its proportions. */
export function picture(
  pixels: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
): string {
  const brightness = (row: number, column: number) => {
    const at = (row * width + column) * channels;
    return pixels.subarray(at, at + channels).reduce((sum, value) => sum + value, 0) / channels;
  };
  const lines: string[] = [];
  for (let row = 0; row + 1 < height; row += 2) {
    let line = '';
    for (let column = 0; column < width; column++) {
      const both = brightness(row, column) + brightness(row + 1, column);
      line += shades[Math.floor((both / 512) * shades.length)] ?? '';
    }
    lines.push(line.trimEnd());
  }
  return lines.join('\n');
}
