/** A table; the first column is left-aligned, the others right. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  const rule = `|${header.map((_, index) => (index === 0 ? '---' : '---:')).join('|')}|`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

export function ms(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

export function percentOf(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** With its sign. */
export function signedPercent(share: number, digits = 1): string {
  const text = (100 * share).toFixed(digits);
  return `${share > 0 && Number(text) !== 0 ? '+' : ''}${text} %`;
}
