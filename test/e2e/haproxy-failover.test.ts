/** Fifty agents and two servers behind HAProxy, as docs/deploy/haproxy.cfg sets it up. */
import { suite } from 'uvu';
import { endFailOver, failOver } from './failover.ts';
import { certificateWithKey, filledExample, startHaproxy } from './proxy.ts';

const haproxy = suite('two servers behind HAProxy');
haproxy.after.each(endFailOver);

haproxy('a drain and a kill lose no image', () =>
  failOver('haproxy', (program, { folder, port, servers, ...pems }) => {
    const config = filledExample('haproxy.cfg', {
      '10.0.0.11:8470': `127.0.0.1:${servers[0]}`,
      '10.0.0.12:8470': `127.0.0.1:${servers[1]}`,
      'bind :443': `bind 127.0.0.1:${port}`,
      '/etc/haproxy/gpu.example.pem': certificateWithKey(folder, pems),
    });
    return startHaproxy(program, folder, config, port);
  }),
);

haproxy.run();
