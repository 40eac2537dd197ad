// A log-in over REST, as a test. It needs Node.js 18 and nothing else.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import test from 'node:test'

const file = (name) => readFileSync(join(process.env.SIGNUM_SANDBOX, name))
const sandbox = JSON.parse(file('sandbox.json'))
const tls = { ca: file('server-ca.pem'), cert: file('ap.crt'), key: file('ap.key') }
const number = '+41791000001'
const text = sandbox.dtbd_prefix + 'Log in to example.com?'

function post(path, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' }
    const request = https.request(sandbox.base_url + path, { ...tls, method: 'POST', headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part) => (text += part)).on('end', () => resolve(JSON.parse(text)))
    })
    request.on('error', reject).end(JSON.stringify(body))
  })
}

function sign(number, text) {
  const Instant = new Date().toISOString()
  return post('/rest/service/sign', { MSS_SignatureReq: {
    MajorVersion: '1', MinorVersion: '2', MessagingMode: 'synch', TimeOut: '80',
    AP_Info: { AP_ID: sandbox.ap_id, AP_PWD: 'disabled', AP_TransID: 'T' + randomUUID(), Instant },
    MSSP_Info: { MSSP_ID: { URI: 'http://mid.swisscom.ch/' }, Instant },
    MobileUser: { MSISDN: number },
    SignatureProfile: 'http://mid.swisscom.ch/Any-LoA4',
    DataToBeSigned: { MimeType: 'text/plain', Encoding: 'UTF-8', Data: text },
    AdditionalServices: [{ Description: 'http://mss.ficom.fi/TS102204/v1.0.0#userLang', UserLang: { Value: 'en' } }],
  } })
}

test('the user approves', async () => {
  const answer = await sign(number, text)
  const signature = answer.MSS_SignatureResp.MSS_Signature.Base64Signature
  // Fails unless exactly this text was signed by a user of the sandbox.
  execFileSync('signum', ['verify', '--text', text, '-'], { input: signature })
  console.log('signed:', text)
})

test('the user refuses', async () => {
  await post('/sandbox/phone', { msisdn: number, behaviour: 'cancel' })
  const answer = await sign(number, text)
  await post('/sandbox/phone', { msisdn: number, behaviour: 'approve' })
  assert.equal(answer.Fault.Code.SubCode.Value, '_401')
  console.log('refused: 401')
})
