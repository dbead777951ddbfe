// NOWPayments that does nothing but answer after DELAY ms: provider.mjs PORT DELAY.
import { createServer } from 'node:http';

const [port, delay] = process.argv.slice(2).map(Number);
let invoice = 7_000_000_000, payment = 8_000_000_000;

function answer(path) {
  if (path.endsWith('/invoice')) {
    const id = String(invoice++);
    return { id, invoice_url: `https://nowpayments.io/payment/?iid=${id}` };
  }
  if (path.endsWith('/invoice-payment'))
    return {
      payment_id: String(payment++), payment_status: 'waiting', pay_address: '0xa638a632134CdcfDf6c510965757f4963Cca5366',
      price_amount: 149, price_currency: 'usd', pay_amount: 10.99726171, pay_currency: 'usdtbsc',
      purchase_id: '4409335830', valid_until: new Date(Date.now() + 7 * 86_400_000).toISOString(),
    };
  return { message: 'OK' };
}

createServer((request, response) => {
  request.resume();
  const body = JSON.stringify(answer(request.url));
  setTimeout(() => response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body), delay);
}).listen({ port, host: '127.0.0.1', backlog: 2048 }, () => console.log('ready'));
