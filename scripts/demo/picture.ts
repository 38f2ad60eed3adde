const shades = ' .:-=+*#%@';

/** Draws a grey image with characters, two rows of pixels a line so that it keeps its proportions. */
export function picture(pixels: Uint8Array, width: number): string {
  const lines: string[] = [];
  for (let row = 0; row + 1 < pixels.length / width; row += 2) {
    let line = '';
    for (let column = 0; column < width; column++) {
      const upper = pixels[row * width + column] ?? 0;
      const lower = pixels[(row + 1) * width + column] ?? 0;
      line += shades[Math.floor(((upper + lower) / 512) * shades.length)] ?? '';
    }
    lines.push(line.trimEnd());
  }
  return lines.join('\n');
}
