/** The dashboard, and every expression in it, in the alerts and in the autoscaler's rule. */
import { at, deployText, listAt, yamlDocuments } from './deploy-files.ts';

export interface Dashboard {
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { query: string } }[];
  };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly {
      readonly refId: string;
      readonly expr: string;
      readonly legendFormat: string;
    }[];
  }[];
}

export const dashboard: Dashboard = JSON.parse(deployText('grafana-dashboard.json'));

/** An expression of the files, and where it stands. */
export interface Expression {
  readonly place: string;
  readonly text: string;
}

/** Every PromQL expression of the files, with what Grafana and the adapter fill in filled in. */
export function expressions(): Expression[] {
  const [alerts] = yamlDocuments('alerts.yml');
  const [adapter] = yamlDocuments('prometheus-adapter.yaml');
  const rules = listAt(alerts ?? null, 'groups').flatMap((group) => listAt(group, 'rules'));
  const custom = at(adapter ?? null, 'rules', 'custom', 0);
  return [
    ...dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({
        place: `panel '${title}'`,
        text: expr.replaceAll('$__rate_interval', '5m'),
      })),
    ),
    ...rules.map((rule) => ({ place: String(at(rule, 'alert')), text: String(at(rule, 'expr')) })),
    {
      place: 'prometheus-adapter.yaml',
      text: String(at(custom, 'metricsQuery'))
        .replaceAll('<<.GroupBy>>', 'pod')
        .replaceAll('<<.LabelMatchers>>', 'pod="a"'),
    },
    { place: 'prometheus-adapter.yaml', text: String(at(custom, 'seriesQuery')) },
  ];
}
