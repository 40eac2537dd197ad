package card

// PartsLifetime exports partsLifetime for the tests.
const PartsLifetime = partsLifetime

// LostAfter exports lostAfter for the tests.
const LostAfter = lostAfter
