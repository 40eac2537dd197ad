package card

// PartsLifetime is for the tests of package card_test.
const PartsLifetime = partsLifetime

// LostAfter too.
const LostAfter = lostAfter
