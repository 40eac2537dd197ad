// The name of the service, which the server inserts.

export const service = "SERVICE_NAME"; // in double quotes, because the server replaces it with JSON
