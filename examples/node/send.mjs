// Sends a text through wa-streams, and waits until it was sent: node send.mjs HOST:PORT PHONE TEXT ID
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Consumer, MessagesStreamModes, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import Ajv from 'ajv/dist/2020.js'
import formats from 'ajv-formats'

const [kafka, to, text, id] = process.argv.slice(2)
const request = { id, to, text }
const schema = JSON.parse(readFileSync('../../schemas/request.json'))
const validate = formats(new Ajv()).compile(schema)
if (!validate(request)) throw new Error(JSON.stringify(validate.errors)) // before it becomes a dead letter

const options = { bootstrapBrokers: [kafka], clientId: 'example' }
const consumer = new Consumer({ ...options, groupId: `example-${randomUUID()}`, deserializers: stringDeserializers })
const events = await consumer.consume({ topics: ['wa.status'], mode: MessagesStreamModes.LATEST, autocommit: false })
const producer = new Producer({ ...options, serializers: stringSerializers })
// The recipient's number is the key, so the messages to one recipient stay in order.
await producer.send({ messages: [{ topic: 'wa.outbound', key: to, value: JSON.stringify(request) }] })
for await (const { value } of events) {
  const event = JSON.parse(value)
  if (event.id === id) console.log(event.status)
  if (event.id === id && event.status === 'sent') process.exit(0)
}
