/** What a PromQL expression names, as far as a test needs it: no parser, but enough for expressions as this project writes them. */

/** One use of a metric. */
export interface Selector {
  readonly metric: string;
  /** Labels in its braces. */
  readonly labels: readonly string[];
}

export interface Named {
  readonly selectors: readonly Selector[];
  /** Labels after `by`, `on`, `without` and `ignoring`. */
  readonly groupedBy: readonly string[];
}

const keywords = new Set([
  'and',
  'or',
  'unless',
  'by',
  'on',
  'without',
  'ignoring',
  'offset',
  'bool',
  'inf',
  'nan',
]);

export function namedIn(expression: string): Named {
  const plain = expression
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\[[^\]]*\]|\boffset\s+\d+[smhdwy]/g, '');
  const groups = [...plain.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)];
  const rest = plain.replace(/\b(?:by|on|without|ignoring)\s*\([^)]*\)/g, '');
  const selectors: Selector[] = [];
  for (const [, metric = '', call, braces = ''] of rest.matchAll(
    /([A-Za-z_:][\w:]*)\s*(\()?(?:\{([^}]*)\})?/g,
  )) {
    if (call !== undefined || keywords.has(metric.toLowerCase())) continue;
    selectors.push({
      metric,
      labels: [...braces.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    });
  }
  return {
    selectors,
    groupedBy: groups
      .flatMap(([, labels = '']) => labels.split(',').map((label) => label.trim()))
      .filter(Boolean),
  };
}
