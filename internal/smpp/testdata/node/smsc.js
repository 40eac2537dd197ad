// An SMSC made of the npm package smpp, for TestNode. What happens goes to
// standard output, one JSON object a line; what shall happen comes from standard
// input the same way. It ends with its standard input.
'use strict';
const smpp = require('smpp');
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

const hex = (m) => {
  const parts = m.udh ? [Buffer.from([m.udh.reduce((n, e) => n + e.length, 0)]), ...m.udh] : [];
  return Buffer.concat([...parts, Buffer.from(m.message)]).toString('hex');
};

let last; // the session that was bound last
let submitted = 0;

const server = smpp.createServer((session) => {
  session.on('error', (e) => say({ event: 'error', text: String(e) }));
  session.on('close', () => say({ event: 'close' }));
  session.on('bind_transceiver', (pdu) => {
    const ok = pdu.system_id === 'signum' && pdu.password === 'secret';
    session.send(pdu.response({ command_status: ok ? 0 : smpp.ESME_RINVPASWD, system_id: 'node' }));
    say({ event: 'bind', id: pdu.system_id, version: pdu.interface_version, ok });
    if (ok) last = session;
    else session.close();
  });
  session.on('submit_sm', (pdu) => {
    say({
      event: 'submit_sm', from: pdu.source_addr, to: pdu.destination_addr, ton: pdu.dest_addr_ton, npi: pdu.dest_addr_npi,
      esm_class: pdu.esm_class, protocol_id: pdu.protocol_id, data_coding: pdu.data_coding, registered: pdu.registered_delivery,
      validity: String(pdu.validity_period), message: hex(pdu.message_payload || pdu.short_message), payload: !!pdu.message_payload,
    });
    if (pdu.destination_addr === '41790000000') session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
    else if (pdu.destination_addr === '41790000001' && submitted++ === 0) session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
    else session.send(pdu.response({ message_id: 'node-' + pdu.sequence_number }));
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
server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));
