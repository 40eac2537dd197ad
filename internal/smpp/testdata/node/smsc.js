// An SMSC made of the npm package smpp, for tests. What happens goes to standard output,
// one JSON object a line; commands come from standard input the same way. It ends with its
// standard input. The argument is a JSON object: name, the beginning of its message ids;
// key, cert and ca in PEM, for TLS that demands a client certificate; separate: refuse
// transceivers; alphabet: that of data_coding 0, as the package calls it.
'use strict';
const smpp = require('smpp');
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

const hex = (m) => {
  const parts = m.udh ? [Buffer.from([m.udh.reduce((n, e) => n + e.length, 0)]), ...m.udh] : [];
  return Buffer.concat([...parts, Buffer.from(m.message)]).toString('hex');
};

const options = { name: 'node', ...JSON.parse(process.argv[2] || '{}') };
const secure = options.key ? { key: options.key, cert: options.cert, ca: options.ca, requestCert: true, rejectUnauthorized: true } : {};

if (options.alphabet) smpp.encodings.default = options.alphabet;

let last; // the session for deliver_sm that was bound last
let submitted = 0;

const server = smpp.createServer(secure, (session) => {
  session.on('error', (e) => say({ event: 'error', text: String(e) }));
  session.on('close', () => say({ event: 'close' }));
  let mode;
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => {
      let status = pdu.system_id === 'signum' && pdu.password === 'secret' ? 0 : smpp.ESME_RINVPASWD;
      if (options.separate && kind === 'bind_transceiver') status = smpp.ESME_RBINDFAIL;
      session.send(pdu.response({ command_status: status, system_id: options.name }));
      say({ event: 'bind', mode: kind, id: pdu.system_id, type: pdu.system_type, version: pdu.interface_version, ok: status === 0 });
      if (status !== 0) return session.close();
      mode = kind;
      if (kind !== 'bind_transmitter') last = session;
    });
  }
  session.on('submit_sm', (pdu) => {
    say({
      event: 'submit_sm', mode, service_type: pdu.service_type, from: pdu.source_addr, from_ton: pdu.source_addr_ton, from_npi: pdu.source_addr_npi, to: pdu.destination_addr, ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi,
      esm_class: pdu.esm_class, protocol_id: pdu.protocol_id, data_coding: pdu.data_coding, registered: pdu.registered_delivery,
      valid_for: pdu.validity_period && Math.ceil((pdu.validity_period - Date.now()) / 1000), message: hex(pdu.message_payload || pdu.short_message), payload: !!pdu.message_payload,
    });
    if (pdu.destination_addr === '41790000000') session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    else if (pdu.destination_addr === '41790000001' && submitted++ === 0) session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    else session.send(pdu.response({ message_id: options.name + '-' + pdu.sequence_number }));
  });
  session.on('enquire_link', (pdu) => {
    session.send(pdu.response());
    say({ event: 'enquire_link' });
  });
  session.on('unbind', (pdu) => {
    say({ event: 'unbind' });
    session.send(pdu.response());
    session.close();
  });
});

const commands = {
  deliver_sm: (c) => {
    const raw = Buffer.from(c.message, 'hex');
    const options = { source_addr: '41791234567', source_addr_ton: 1, source_addr_npi: 1, destination_addr: '555', esm_class: c.esm_class, data_coding: c.data_coding };
    if (c.payload) options.message_payload = raw;
    else options.short_message = raw;
    last.deliver_sm(options, (resp) => say({ event: 'deliver_sm_resp', status: resp.command_status }));
  },
  enquire_link: () => last.enquire_link((resp) => say({ event: 'enquire_link_resp', status: resp.command_status })),
  unbind: () => last.unbind((resp) => { say({ event: 'unbind_resp', status: resp.command_status }); last.close(); }),
  cut: () => last.destroy(),
  away: () => {
    server.close();
    last.destroy();
  },
  back: () => listen(),
};

let rest = '';
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    const c = JSON.parse(line);
    commands[c.do](c);
  }
});
process.stdin.on('end', () => process.exit(0));
let port = 0;
const listen = () => server.listen(port, '127.0.0.1', () => {
  port = server.address().port;
  say({ event: 'listening', port });
});
listen();
