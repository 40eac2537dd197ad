// A sandbox in a container, for tests in Node.js. Build its image with "make image", and load it into Docker.
// Needs Node.js 22: npm install testcontainers tar-stream
//
//   const signum = await startSignum()
//   // Call signum.url + '/rest/service/sign' with signum.tls as options of https.request, see ../node.
//   await signum.phone('+41791000001', 'cancel')    // the next request is refused
//   await signum.stop()
import { extract } from 'tar-stream'
import { GenericContainer, Wait } from 'testcontainers'

export async function startSignum() {
  const container = await new GenericContainer('localhost/signum:latest')
    .withExposedPorts(8443)
    .withEnvironment({ SIGNUM_HOST: 'localhost' }) // the name in the certificate; another one if Docker is on another machine
    .withWaitStrategy(Wait.forLogMessage(/^ready https:/m))
    .start()

  async function signum(...args) {
    const { output, exitCode } = await container.exec(['/signum', ...args])
    if (exitCode !== 0) throw new Error(output)
    return output
  }

  async function file(name) {
    const parts = []
    const archive = extract()
    archive.on('entry', (header, stream, next) => stream.on('data', (part) => parts.push(part)).on('end', next))
    await new Promise((resolve, reject) => {
      archive.on('finish', resolve).on('error', reject)
      container.copyArchiveFromContainer('/data/' + name).then((from) => from.pipe(archive), reject)
    })
    return Buffer.concat(parts)
  }

  return {
    url: `https://${container.getHost()}:${container.getMappedPort(8443)}`,
    tls: { ca: await file('server-ca.pem'), cert: await file('ap.crt'), key: await file('ap.key') },
    phone: (number, behaviour) => signum('phone', 'set', number, behaviour),
    stop: () => container.stop(),
  }
}
