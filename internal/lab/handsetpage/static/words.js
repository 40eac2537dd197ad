// The texts of the handset. Those of the dialogues come from the card.

import { ours, table as shared, words } from '/phone/words.js';

export const table = {
  // the list
  listTitle: ['SIM phones', 'SIM-Telefone', 'Téléphones SIM', 'Telefoni SIM'],
  listText: ['Simulated handsets. Open one to press its keys yourself.', 'Simulierte Handys. Öffnen Sie eines, um selbst die Tasten zu drücken.',
    'Téléphones simulés. Ouvrez-en un pour appuyer vous-même sur ses touches.', 'Telefoni simulati. Ne apra uno per premere i tasti di persona.'],
  listEmpty: ['This service has no SIM phones.', 'Dieser Dienst hat keine SIM-Telefone.', 'Ce service n’a pas de téléphone SIM.', 'Questo servizio non ha telefoni SIM.'],
  card: ['Card {iccid}', 'Karte {iccid}', 'Carte {iccid}', 'Carta {iccid}'],
  all: ['All SIM phones', 'Alle SIM-Telefone', 'Tous les téléphones SIM', 'Tutti i telefoni SIM'],
  appPhone: ['The phone with the App', 'Das Telefon mit der App', 'Le téléphone avec l’app', 'Il telefono con l’app'],
  missingTitle: ['There is no such phone', 'Dieses Telefon gibt es nicht', 'Ce téléphone n’existe pas', 'Questo telefono non esiste'],
  missingText: ['No handset has this number, or its card was removed.', 'Kein Handy hat diese Nummer, oder seine Karte wurde entfernt.',
    'Aucun téléphone n’a ce numéro, ou sa carte a été retirée.', 'Nessun telefono ha questo numero, o la sua carta è stata tolta.'],

  // the handset
  screen: ['Screen', 'Anzeige', 'Écran', 'Schermo'],
  keys: ['Keys', 'Tasten', 'Touches', 'Tasti'],
  accept: ['Accept', 'Annehmen', 'Accepter', 'Accetta'],
  clear: ['Delete', 'Löschen', 'Effacer', 'Cancella'],
  goBack: ['Back', 'Zurück', 'Retour', 'Indietro'],
  messages: ['Messages', 'Nachrichten', 'Messages', 'Messaggi'],
  noMessages: ['No messages', 'Keine Nachrichten', 'Aucun message', 'Nessun messaggio'],
  newMessage: ['1 new message', '1 neue Nachricht', '1 nouveau message', '1 nuovo messaggio'],
  newMessages: ['{n} new messages', '{n} neue Nachrichten', '{n} nouveaux messages', '{n} nuovi messaggi'],
  flash: ['Message', 'Nachricht', 'Message', 'Messaggio'],
  sim: ['SIM request', 'Anfrage der SIM', 'Demande de la SIM', 'Richiesta della SIM'],
  length: ['{min} to {max} digits', '{min} bis {max} Ziffern', '{min} à {max} chiffres', 'Da {min} a {max} cifre'],
  lengthOf: ['{min} digits', '{min} Ziffern', '{min} chiffres', '{min} cifre'],
  lengthText: ['{min} to {max} characters', '{min} bis {max} Zeichen', '{min} à {max} caractères', 'Da {min} a {max} caratteri'],
  entered: ['Entered: {n}', 'Eingegeben: {n}', 'Saisis : {n}', 'Inseriti: {n}'],
  stale: ['The screen has changed. Nothing was pressed.', 'Die Anzeige hat sich geändert. Es wurde nichts gedrückt.', 'L’écran a changé. Rien n’a été pressé.', 'La schermata è cambiata. Non è stato premuto nulla.'],
  refused: ['The phone did not accept that.', 'Das Telefon hat das nicht angenommen.', 'Le téléphone ne l’a pas accepté.', 'Il telefono non l’ha accettato.'],
  connectingPhone: ['The phone comes back once the service can be reached.', 'Das Telefon ist zurück, sobald der Dienst erreicht ist.',
    'Le téléphone revient dès que le service est joint.', 'Il telefono torna appena il servizio è raggiunto.'],
  byHand: ['Answer by hand', 'Von Hand antworten', 'Répondre à la main', 'Rispondere a mano'],
  byHandText: ['You press the keys while this page is open.', 'Solange diese Seite offen ist, drücken Sie die Tasten.', 'Tant que cette page est ouverte, vous appuyez sur les touches.', 'Finché questa pagina è aperta, è Lei a premere i tasti.'],
  pinText: ['The PIN of the simulated card is 123456, unless you chose another.', 'Die PIN der simulierten Karte ist 123456, wenn Sie keine andere gewählt haben.',
    'Le PIN de la carte simulée est 123456, sauf si vous en avez choisi un autre.', 'Il PIN della carta simulata è 123456, a meno che ne abbia scelto un altro.'],
  autoText: ['The simulated person presses the keys.', 'Die simulierte Person drückt die Tasten.', 'La personne simulée appuie sur les touches.', 'La persona simulata preme i tasti.'],
  keyboard: ['Keyboard: digits, Enter, Escape, Backspace', 'Tastatur: Ziffern, Enter, Escape, Rücktaste', 'Clavier : chiffres, Entrée, Échap, Retour arrière', 'Tastiera: cifre, Invio, Esc, Backspace'],
};

// t is the translator for the language of the browser.
export const t = words(ours(), { ...shared, ...table });
