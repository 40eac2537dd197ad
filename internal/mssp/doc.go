// Package mssp holds what the service keeps: parties, subscribers, devices,
// certificates, cards, Apps, transactions and receipts, and the ports through
// which the rest of the service reaches them.
//
// A type, its errors and its port are in one file:
//
//	party.go        Party, its certificate pins and its geofence
//	subscriber.go   Subscriber and Device
//	certificate.go  Certificate, Issuer, CertificateStore
//	method.go       the tables of methods and of signature profiles
//	transaction.go  Transaction, Outcome, TransactionStore
//	receipt.go      Receipt
//	app.go          AppDevice, Invite, Enrolment, AppStore
//	consent.go      Consent, ConsentStore
//	card.go         Card, CardStore
//	phone.go        DeviceRequest, DeviceAnswer, Channel, Inbox, AnswerHandler
//	text.go         TextMessage, TextSender
//	store.go        Store, which combines the ports; RowError
//
// What an application provider sees of the service is package signum; nothing
// there needs this package. This package must not know how a message is
// encoded, where a transaction is kept, or how a phone is reached. It imports
// package signum and the standard library only.
package mssp
